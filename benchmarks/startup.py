"""How long `prep --help` takes beside a bare Typer program.

`python -m benchmarks.startup --out startup.json`. Both run in turns, as processes of their own.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

BARE = """\
import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def greet(name: str = "you") -> None:
    "Say hello."
    print("hello", name)


app(["--help"])
"""
PROGRAMS = {
    "bare": ["-c", BARE],
    "prep": ["-m", "prep", "--help"],
    "train": ["-m", "train", "--help"],
}
MOST_TIMES_BARE = 3.0
_ROOT = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write JSON; return 1 where `prep --help` is too slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    found = measured(chosen.turns)
    for name, seconds in found.items():
        print(f"{name:<8}{seconds * 1000:6.0f} ms {seconds / found['bare']:6.2f} x bare")
    if chosen.out:
        chosen.out.write_text(json.dumps(found, indent=1))
    return int(found["prep"] > MOST_TIMES_BARE * found["bare"])


def measured(turns: int, clock: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Return program -> median seconds; the programs take turns, after one that does not count.

    Args:
        turns: How often each runs.
        clock: What tells the time: the wall's, or `cpu_of_children`.
    """
    runs: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for turn in range(turns + 1):
        for name, words in PROGRAMS.items():
            began = clock()
            command = [sys.executable, *words]
            subprocess.run(command, cwd=_ROOT, stdout=subprocess.DEVNULL, check=True)
            if turn:
                runs[name].append(clock() - began)
    return {name: statistics.median(each) for name, each in runs.items()}


def cpu_of_children() -> float:
    """Return the CPU seconds of all processes that were waited for: no neighbour disturbs them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)  # os.times counts in steps of 10 ms
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
