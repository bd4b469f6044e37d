"""Trainings that are killed and run again: do they end in the bytes of one never stopped?

`python -m benchmarks.resume [--out FILE] [--plain]`

steps     SIGKILL after each step of a 12-step run, each time run again from the start
chain     one run, killed after every one of its steps
writes    SIGKILL at each flush inside the writing of a checkpoint
epochs    killed twice, on both sides of an epoch's border
noise     two runs of one seed, never stopped

All with accumulation 2 and, without `--plain`, a learning text encoder.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from prep.runtime.console import Console
from tests.train.conftest import build_base, build_dataset
from tests.train.killing import FLUSHES, killed, trained

STEPS = 12
Kill = tuple[int, int]


class Bench:
    """A small dataset, and the file that a run never stopped ends in."""

    def __init__(self, work: Path, text_encoder: bool) -> None:
        """Train once, without a stop."""
        self.work, self.home = work, work / "home"
        self.meta = build_dataset(work / "data", build_base(work / "base"))
        self.settings = {
            "steps": STEPS, "rank": 2, "batch": 2, "accumulate": 2, "learning_rate": 1e-3,
            "shuffle_tags": True, "caption_dropout": 0.1,
            "text_encoder": text_encoder,
        }  # fmt: skip
        self.wanted = self.run("whole", [])

    def run(self, name: str, kills: Sequence[Kill], every: int = 2) -> bytes:
        """Return the export of a run that is killed at some (step, flush), then finished.

        Args:
            every: Steps between two saves.
        """
        out = self.work / name
        settings: dict[str, Any] = self.settings | {"out": str(out), "save_every_steps": every}
        for step, flush in kills:
            code = killed(self.meta, self.home, step, flush, settings)
            assert code == -9, f"{name}: not killed at {step}, {flush}: {code}"
        made = trained(self.meta, self.home, settings, Console(level=0))
        data = made.read_bytes()
        shutil.rmtree(out)
        return data

    def row(self, name: str, every: int, runs: Sequence[Sequence[Kill]]) -> dict[str, Any]:
        """Return how many of some runs ended in other bytes."""
        began = time.monotonic()
        bad = [kills for kills in runs if self.run(name, kills, every) != self.wanted]
        return {
            "case": name,
            "runs": len(runs),
            "kills": sum(len(kills) for kills in runs),
            "other_bytes": len(bad),
            "first_bad": list(bad[0]) if bad else None,
            "seconds": round(time.monotonic() - began, 1),
        }


def cases() -> dict[str, tuple[int, list[list[Kill]]]]:
    """Return by name how often a run saves and where each is killed, in steps of that process."""
    return {
        "steps": (2, [[(step, 0)] for step in range(1, STEPS + 1)]),
        "chain": (1, [[(1, FLUSHES)] * STEPS]),
        "writes": (2, [[(4, flush)] for flush in range(1, FLUSHES + 1)]),
        "epochs": (2, [[(2, 0), (4, 0)], [(3, 0), (3, 7)]]),
        "noise": (2, [[]]),
    }


def main() -> int:
    """Run every case; print a table, write JSON; return 1 where bytes differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--plain", action="store_true")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(Path(work), not given.plain)
        for name, (every, runs) in cases().items():
            rows.append(bench.row(name, every, runs))
            line = "{case:8} runs {runs:3} kills {kills:3} other bytes {other_bytes} {seconds:7} s"
            print(line.format(**rows[-1]), flush=True)
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return int(any(row["other_bytes"] for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
