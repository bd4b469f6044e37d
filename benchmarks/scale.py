"""How long prep takes to find that nothing is to be done, and how much memory, by dataset size.

`python -m benchmarks.scale --out scale.json`. Each command runs as a process of its own, in turn
with a bare script that reads the same data: names, stats, dataset files, ledger. All caches are
warm. Medians of several turns are compared. Of the first run, which makes everything, the memory
that a further sample takes is told.
"""

import argparse
import json
import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PIPELINES = """\
pipelines:
  scale:
    images: ./images
    meta: ./meta.json
    stages:
      - caption: {model: tiny}
      - duplicates
      - edit: {trigger: mascot}
      - bucket: {resolution: 128, step: 32}
"""
BARE = "benchmarks.bare_read"
COMMANDS = ("status", "plan", "run")
MOST_TIMES_BARE = 1.8
MOST_TIMES_FIFTH = 6.0
MOST_MEGABYTES = 220.0
MOST_FIRST_KILOBYTES = 2.5
_SIDES = ((96, 64), (64, 96), (80, 80), (112, 64))
_RACY_S = 2.2


class Cost(NamedTuple):
    """What one process cost: seconds by the clock and of the processor, most megabytes held."""

    seconds: float
    cpu_seconds: float
    megabytes: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write JSON; return 1 where a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 50_000, 100_000])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "prep-scale")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    folders = {count: chosen.folder / str(count) for count in chosen.counts}
    costs = {count: generate(folder, count) for count, folder in folders.items()}
    first = {count: cost for count, cost in costs.items() if cost is not None}
    found = measured(folders, chosen.turns)
    for count, each in found.items():
        print(table(count, each))
    broken = breaches(found)
    for count, size in first_kilobytes(first).items():
        print(f"first run of {count}: {size:.1f} KB a further sample")
        if size > MOST_FIRST_KILOBYTES:
            broken.append(f"first run of {count}: over {MOST_FIRST_KILOBYTES:g} KB a sample")
    print("\n".join(broken) or "all limits are kept")
    if chosen.out:
        rows = {count: {n: c._asdict() for n, c in each.items()} for count, each in found.items()}
        chosen.out.write_text(json.dumps({"measured": rows, "broken": broken}, indent=1))
    return int(bool(broken))


def generate(folder: Path, count: int) -> Cost | None:
    """Draw `count` tiny pictures with .txt and .caption beside them, and prepare them once.

    A folder that is there already is taken as it is.

    Returns:
        What the first run cost; None where the folder was prepared before.
    """
    before = (folder / "images" / ".prep").exists()
    if not (folder / "pipelines.yaml").exists():
        for number in range(count):
            _write_sample(folder / "images" / f"{number // 1000:03d}", number)
        (folder / "pipelines.yaml").write_text(PIPELINES)
    # What was written a moment ago is hashed once more: the third run is the first idle one.
    first = timed(["prep", "run", "-q"], folder)
    time.sleep(_RACY_S)
    timed(["prep", "run", "-q"], folder)
    return None if before else first


def first_kilobytes(first: Mapping[int, Cost]) -> dict[int, float]:
    """Return size -> KB of memory that each sample more than in the smallest size took."""
    if not first:
        return {}
    (least, cost), *more = sorted(first.items())
    return {
        count: (each.megabytes - cost.megabytes) * 1024 / (count - least) for count, each in more
    }


def measured(folders: Mapping[int, Path], turns: int) -> dict[int, dict[str, Cost]]:
    """Return size -> program -> costs of a bare read and of prep's commands, see `_median`.

    Sizes and programs take turns, so that all meet the same machine.
    """
    programs = {"bare": [BARE, "."]} | {name: ["prep", name] for name in COMMANDS}
    runs: dict[tuple[int, str], list[Cost]] = {}
    for _ in range(turns):
        for name, words in programs.items():
            for count, folder in folders.items():
                runs.setdefault((count, name), []).append(timed(words, folder))
    return {count: {name: _median(runs[count, name]) for name in programs} for count in folders}


def _median(costs: Sequence[Cost]) -> Cost:
    """Return the medians, but the least CPU seconds: what else runs only ever adds to them."""
    found = Cost(*(statistics.median(kind) for kind in zip(*costs, strict=True)))
    return found._replace(cpu_seconds=min(cost.cpu_seconds for cost in costs))


def timed(words: Sequence[str], folder: Path) -> Cost:
    """Run `python -m WORDS` in a folder; return what it cost.

    Raises:
        CalledProcessError: It did not end with 0.
    """
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-P", "-m", *words]
    began = time.perf_counter()
    started = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    _, status, usage = os.wait4(started.pid, 0)
    taken = time.perf_counter() - began
    started.returncode = os.waitstatus_to_exitcode(status)
    if started.returncode:
        raise subprocess.CalledProcessError(started.returncode, command)
    return Cost(taken, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def table(count: int, found: dict[str, Cost]) -> str:
    """Return the figures of one size as text."""
    bare = found["bare"].seconds
    rows = [
        f"  {name:<8}{cost.seconds:8.2f} s {cost.seconds / bare:6.2f} x bare"
        f"{cost.cpu_seconds:8.2f} s of CPU {cost.megabytes:7.0f} MB"
        for name, cost in found.items()
    ]
    return "\n".join([f"{count} samples", *rows])


def breaches(found: dict[int, dict[str, Cost]]) -> list[str]:
    """Return one line for each limit that is broken."""
    broken = []
    for count, each in found.items():
        for name in COMMANDS:
            seconds, megabytes = each[name].seconds, each[name].megabytes
            if seconds > MOST_TIMES_BARE * each["bare"].seconds:
                broken.append(f"{name} of {count}: over {MOST_TIMES_BARE:g} times a bare read")
            if megabytes > MOST_MEGABYTES:
                broken.append(f"{name} of {count}: over {MOST_MEGABYTES:g} MB")
            fifth = found.get(count // 5)
            if fifth and seconds > MOST_TIMES_FIFTH * fifth[name].seconds:
                broken.append(f"{name} of {count}: over {MOST_TIMES_FIFTH:g} times {count // 5}")
    return broken


def _write_sample(folder: Path, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"picture {number:06d}"
    (folder / f"{name}.png").write_bytes(_png(number))
    tags = f"1girl, solo, tag {number % 97}, tag {number % 89}, long hair, looking at viewer"
    (folder / f"{name}.txt").write_text(tags)
    (folder / f"{name}.caption").write_text(f"a drawing of mascot number {number} on a hill")


def _png(number: int) -> bytes:
    """Return a small picture of black and white noise: no two are alike."""
    width, height = _SIDES[number % len(_SIDES)]
    across = width // 8  # bytes: eight pixels in each
    noise = random.Random(number).randbytes(across * height)
    rows = b"".join(b"\0" + noise[y * across : (y + 1) * across] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(rows, 1))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


if __name__ == "__main__":
    sys.exit(main())
