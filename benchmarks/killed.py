"""Runs that are killed, then run again: do they end in the bytes of a run never stopped?

`python -m benchmarks.killed [--out FILE] [--every N] [--kills N]`

calls     SIGKILL at system calls that change a file: a first run over 3 pictures and 3 stages,
          and a second run after a person changed pixels, params and words (needs strace)
stages    SIGKILL of the process group in every stage of a whole pipeline, at a random call of its
          function plus a random delay
errors    ENOSPC and EIO in place of the signal: an error in two lines, then the same bytes
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

from tests.prep import killing
from tests.prep.killing import FULL, LIGHT

SEED = 0


def at_calls(work: Path, every: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each kind of run: kills, and how many ended otherwise."""
    for title, base in (("first run", _fresh(work)), ("second run", _used(work))):
        clean = Path(shutil.copytree(base, work / f"clean {title}"))
        points = killing.calls(clean)[::every]
        for what in ("signal=KILL", "error=ENOSPC", "error=EIO"):
            bad = [text for call in points if (text := _wrong(work, base, clean, call, what))]
            yield _row(f"{title}: {what}", len(points), bad)


def _wrong(work: Path, base: Path, clean: Path, call: killing.Call, what: str) -> str:
    """Run into one call, run again; return what is wrong, or nothing."""
    folder = Path(shutil.copytree(base, work / "stopped"))
    try:
        first = killing.run_into(folder, call, what)
        second = killing.main(folder)
        wrong = killing.difference(clean, folder)
    finally:
        shutil.rmtree(folder)
    if second or wrong:
        return f"{call.name} {call.nth}: then {second}, {wrong}: {call.text[:120]}"
    if what != "signal=KILL" and (first.returncode not in (0, 1) or "Traceback" in first.stderr):
        last = first.stderr.strip().splitlines()[-1:]
        return f"{call.name} {call.nth}: {first.returncode} {last}: {call.text[:120]}"
    return ""


def in_stages(work: Path, kills: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each stage of a whole pipeline."""
    chance = random.Random(SEED)
    clean = killing.new_project(work / "clean full", FULL)
    seen: dict[str, int] = {}
    with killing.watched(clean) as running:
        for event in running.events():
            seen[event] = seen.get(event, 0) + 1
    for stage in [event.removeprefix("begin ") for event in seen if event.startswith("begin ")]:
        bad = []
        for _ in range(kills):
            event = chance.choice((f"begin {stage}", f"end {stage}"))
            nth, delay = chance.randint(1, seen[event]), chance.uniform(0, 0.05)
            folder = killing.new_project(work / "stopped", FULL)
            killing.killed(folder, event, nth, delay)
            with killing.watched(folder) as running:
                code = running.end()
            wrong = killing.difference(clean, folder)
            bad += [f"{event} {nth} + {delay:.3f} s: {code}, {wrong}"] if code or wrong else []
            shutil.rmtree(folder)
        yield _row(stage, kills, bad)


def _fresh(work: Path) -> Path:
    return killing.new_project(work / "fresh", LIGHT)


def _used(work: Path) -> Path:
    folder = killing.new_project(work / "used", LIGHT)
    killing.main(folder)
    killing.changed(folder)
    return folder


def _row(title: str, count: int, bad: list[str]) -> dict[str, Any]:
    print(f"{title:<28} {count:>6} {len(bad):>6}", flush=True)
    for text in bad:
        print(f"  {text}", flush=True)
    return {"what": title, "stops": count, "wrong": bad}


def main() -> None:
    """Print the table; write JSON beside `--out`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument(
        "--every",
        type=int,
        default=1,
        help="kill at every n-th system call, errors at every 5 n-th",
    )
    parser.add_argument("--kills", type=int, default=3, help="kills in each stage")
    parser.add_argument("--only", choices=("calls", "stages"))
    given = parser.parse_args()
    started = time.monotonic()
    print(f"{'stopped in':<28} {'stops':>6} {'wrong':>6}")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        rows = [] if given.only == "calls" else list(in_stages(work, given.kills))
        if given.only != "stages" and shutil.which("strace"):
            rows += at_calls(work, given.every)
    took = time.monotonic() - started
    print(f"{sum(row['stops'] for row in rows)} stops, {took:.0f} s")
    if given.out:
        told = {"rows": rows, "seconds": round(took), "python": sys.version, "seed": SEED}
        given.out.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
