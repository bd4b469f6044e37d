"""What `prep check` finds of planted defects, and what it finds that is none.

`python -m benchmarks.bad_set FOLDER --seed N`: FOLDER may be what `apt-get download
tuxpaint-stamps-default` and `dpkg -x` unpack; scikit-image and ../shared are used where they are
there. Each round draws 60 pictures, plants each of the twelve kinds in two of them, and runs the
command; then it runs it on the real pictures of ../shared alone.

found   of the planted pictures: called what it is, or a kind that says the same
false   good pictures of which anything is found
"""

import argparse
import csv
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import defects
from benchmarks.defects import PLANTS

MOST_FALSE = 2
PICTURES, EACH = 60, 2
# What lacks detail may be called either; what has lost its end may not be decoded at all.
ALSO = {"blur": {"upscaled"}, "upscaled": {"blur"}, "torn": {"failed"}}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table; return 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pictures", type=Path, nargs="*")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--strictness", default="standard")
    chosen = parser.parse_args(arguments)
    files, broken = defects.sources(chosen.pictures), False
    total: dict[str, Counter[str]] = {kind: Counter() for kind in PLANTS}
    for number in range(chosen.rounds):
        dice = random.Random(chosen.seed + number)
        with tempfile.TemporaryDirectory() as folder:
            planted = draw(files, dice, Path(folder))
            told = checked(Path(folder), chosen.strictness)
        for key, kind in planted.items():
            called = told.get(key, set())
            total[kind]["called"] += kind in called
            total[kind]["found"] += bool(called & {kind, *ALSO.get(kind, ())})
            total[kind]["all"] += 1
            if not called & {kind, *ALSO.get(kind, ())}:
                print(
                    f"  seed {chosen.seed + number}: {key} is {kind}, called {called or 'nothing'}"
                )
        wrong = {key: kinds for key, kinds in told.items() if key not in planted}
        missed = sum(one["all"] - one["found"] for one in total.values())
        print(f"seed {chosen.seed + number}: {len(planted)} planted, {missed} missed so far,"
              f" {len(wrong)} false of {PICTURES - len(planted)}: {wrong}", flush=True)  # fmt: skip
        broken |= len(wrong) > MOST_FALSE or missed > 0
    for kind, row in total.items():
        print(f"{kind:<12} {row['found']} of {row['all']} found, {row['called']} called so")
    return int(_real(chosen.strictness) or broken)


def draw(
    files: Sequence[Path], dice: random.Random, folder: Path, count: int = PICTURES,
    each: int = EACH,
) -> dict[str, str]:  # fmt: skip
    """Write pictures into a folder, each kind of defect in some; return key -> what is planted."""
    picked = dice.sample(list(files), min(count, len(files)))
    kinds = [kind for kind in PLANTS for _ in range(each)]
    planted = {}
    for number, path in enumerate(picked):
        if number >= len(kinds):
            shutil.copy(path, folder / f"{number:02} {path.name}")
            continue
        suffix, data = PLANTS[kinds[number]](defects.opened(path), dice)
        key = f"{number:02} {path.stem}{suffix}"
        (folder / key).write_bytes(data)
        planted[key] = kinds[number]
    return planted


def checked(folder: Path, strictness: str = "standard") -> dict[str, set[str]]:
    """Run the command on a folder; return key -> the kinds that were found, or `failed`."""
    command = [sys.executable, "-P", "-m", "prep", "check", str(folder), "--json"]
    done = subprocess.run(
        [*command, "--strictness", strictness], capture_output=True, text=True, check=False
    )
    failed: dict[str, str] = {}
    for line in done.stdout.splitlines():
        failed |= json.loads(line).get("failed") or {}
    told = {key: {"failed"} for key in failed}
    text = (folder / "tags.csv").read_text(encoding="utf-8-sig")
    for row in csv.DictReader(text.splitlines()):
        if row["keep"]:
            told[row["key"]] = kinds_of(row)
    return told


def kinds_of(row: Mapping[str, str]) -> set[str]:
    """Return the kinds that stand under `keep` of a row."""
    each = (part.partition(": ")[2] for part in row["keep"].split("; "))
    return {kind for part in each for kind in part.split(", ")}


def _real(strictness: str) -> bool:
    """Return whether too much is found of the pictures of ../shared."""
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(files := defects.real()):
            shutil.copy(path, Path(folder) / f"{number:02} {path.name}")
        told = checked(Path(folder), strictness)
    print(f"real         {len(told)} false of {len(files)}: {told}")
    return len(told) > MOST_FALSE


if __name__ == "__main__":
    sys.exit(main())
