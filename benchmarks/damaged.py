"""Damage to prep's memory, then two runs: the bytes of a dataset that nothing happened to?

`python -m benchmarks.damaged [--out FILE] [--places N] [--deletions N]`

places      the ledger or the journal overwritten at a random place: 64 random bytes, one bit, or
            zeros; in turn after a whole run and after one that was killed
deletions   `.prep` deleted between runs and at random moments of one
In each, people had written a text, a weight and a note; nothing of the machine's may become a
person's.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.prep import damaging, killing

SEED = 0


def at_places(work: Path, count: int) -> Iterator[str]:
    """Yield what is wrong after each damage; an empty text where nothing is."""
    chance = random.Random(SEED)
    clean = damaging.new_project(work / "clean", killing.FULL)
    for number in range(count):
        folder = Path(shutil.copytree(clean, work / "damaged"))
        if number % 4 == 3:
            damaging.killed_run(folder, chance)
        said = damaging.damaged(folder, chance)
        yield _wrong(clean, folder, said)


def at_deletions(work: Path, count: int) -> Iterator[str]:
    """Yield what is wrong after each deletion of `.prep`."""
    chance = random.Random(SEED)
    clean = damaging.new_project(work / "clean", killing.FULL)
    for number in range(count):
        folder = Path(shutil.copytree(clean, work / "damaged"))
        said = damaging.deleted(folder, chance, during=number % 2 == 1)
        yield _wrong(clean, folder, said)


def _wrong(clean: Path, folder: Path, said: str) -> str:
    try:
        wrong = damaging.two_runs_later(clean, folder)
    finally:
        shutil.rmtree(folder)
    return f"{said}: {wrong}" if wrong else ""


def main() -> None:
    """Print the table; write JSON beside `--out`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--places", type=int, default=200)
    parser.add_argument("--deletions", type=int, default=20)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for what, tried, count in (
        ("places", at_places, given.places),
        ("deletions", at_deletions, given.deletions),
    ):
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as name:
            bad = [wrong for wrong in tried(Path(name), count) if wrong]
        took = round(time.monotonic() - started)
        print(f"{what:<10} {count:>5} tried {len(bad):>4} wrong {took:>5} s", flush=True)
        for wrong in bad:
            print(f"  {wrong}", flush=True)
        rows.append({"what": what, "tried": count, "wrong": bad, "seconds": took})
    if given.out:
        told = {"rows": rows, "python": sys.version, "seed": SEED}
        given.out.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
