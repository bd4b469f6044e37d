"""Every family, method and optimizer: killed and run again, do runs end in the same bytes?

`python -m benchmarks.contracts [--out FILE] [--family NAME ...] [--method NAME ...]`

whole     a run of six steps that nobody stops
killed    SIGKILL after the third step, then the same command again
twice     SIGKILL after the first and after the third step of the next one, then once more
inputs    two gloo processes: the digests of every step's inputs against those of one process, once
          for each family and method

All on the families' tiny models, with learning text encoders and shuffled tags, saved at every
second step.
"""

import argparse
import importlib.util
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from prep.runtime.console import Console
from tests.train.conftest import build_dataset
from tests.train.killing import Killing, trained
from train.families import all_families
from train.methods import all_methods
from train.optimizers import OPTIMIZERS

STEPS = 6
KILLED = -9
STOPS = {"killed": [3], "twice": [1, 3]}


class Bench:
    """A tiny model and a dataset of each family, and runs in processes of their own."""

    def __init__(self, work: Path, families: Sequence[str]) -> None:
        """Make models and datasets."""
        self.work, self.home = work, work / "home"
        self.metas = {name: work / f"data-{name}" / "meta_lat.json" for name in families}
        for name in families:
            assert _forked(lambda name=name: self._build(name)) == 0

    def _build(self, family: str) -> None:
        base = all_families()[family].tiny.write(self.work / family)
        build_dataset(self.metas[family].parent, base)

    def rows(self, method: str, optimizer: str, family: str) -> Iterator[dict[str, Any]]:
        """Yield for each way of being stopped whether the export has the bytes of a whole run."""
        settings = {
            "method": method, "optimizer": optimizer, "steps": STEPS, "batch": 2, "name": "toy",
            "text_encoder": all_methods()[method].of_parts, "shuffle_tags": True,
            "save_every_steps": 2,
        }  # fmt: skip
        wanted = self._run(family, settings, "whole", [])
        for name, stops in STOPS.items():
            began = time.monotonic()
            found = self._run(family, settings, name, stops)
            yield {
                "case": name, "family": family, "method": method, "optimizer": optimizer,
                "same": bool(wanted) and found == wanted,
                "seconds": round(time.monotonic() - began, 1),
            }  # fmt: skip
        shutil.rmtree(self.work / "runs", ignore_errors=True)

    def _run(
        self, family: str, settings: dict[str, Any], name: str, stops: Sequence[int]
    ) -> list[tuple[str, bytes]]:
        """Return the files of the export of a run that is killed after some steps, then finished.

        Raises:
            AssertionError: It was not killed where it should have been, or did not end.
        """
        out = self.work / "runs" / name
        given = settings | {"out": str(out)}
        for step in stops:
            code = _forked(lambda step=step: self._train(family, given, Killing(step=step)))
            assert code == KILLED, (family, settings, name, step, code)
        assert _forked(lambda: self._train(family, given, Console(level=0))) == 0
        (made,) = (path for path in out.glob("*/toy*") if path.stem == "toy")
        paths = sorted(path for path in made.rglob("*") if path.is_file()) or [made]
        return [(str(path.relative_to(out)), path.read_bytes()) for path in paths]

    def _train(self, family: str, settings: dict[str, Any], console: Console) -> None:
        trained(self.metas[family], self.home, settings, console)

    def inputs(self, method: str, family: str) -> dict[str, Any]:
        """Return whether two processes see what one sees."""
        began = time.monotonic()
        found = [_inputs(self._started(method, family, count)) for count in (1, 2)]
        return {
            "case": "inputs", "family": family, "method": method, "optimizer": "adamw",
            "same": len(found[0]) == STEPS and found[0] == found[1],
            "seconds": round(time.monotonic() - began, 1),
        }  # fmt: skip

    def _started(self, method: str, family: str, count: int) -> Path:
        """Train by processes that `torchrun` starts; return the metrics."""
        out = self.work / f"processes-{count}-{family}-{method}"
        variables = os.environ | {
            "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1",
            "XDG_DATA_HOME": str(self.home),
        }  # fmt: skip
        words = ["--steps", str(STEPS), "--batch", "2", "--shuffle-tags", "--out", str(out)]
        start = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
        subprocess.run(
            [sys.executable, *start, "-m", "train", method, str(self.metas[family]), *words],
            env=variables, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        (metrics,) = out.glob("*/metrics.jsonl")
        return metrics


def _inputs(metrics: Path) -> list[str]:
    return [json.loads(line)["inputs"] for line in metrics.read_text().splitlines()]


def _forked(work: Any) -> int:
    """Do something in a copy of this process; return its exit code, -9 for SIGKILL.

    The libraries are imported once, here, and do nothing here: threads would not be copied.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def main() -> int:
    """Run every case; print a line for each that failed and a sum, write JSON; 1 where one did."""
    import diffusers  # noqa: F401
    import peft  # noqa: F401
    import transformers  # noqa: F401

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--family", nargs="*", default=list(all_families()))
    parser.add_argument("--method", nargs="*", default=list(all_methods()))
    given = parser.parse_args()
    there = [
        name
        for name, row in OPTIMIZERS.items()
        if not row.package or importlib.util.find_spec(row.package)
    ]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(Path(work), given.family)
        for family, method in itertools.product(given.family, given.method):
            if not all_methods()[method].trains(all_families()[family]):
                continue
            for optimizer in there:
                rows += bench.rows(method, optimizer, family)
            rows.append(bench.inputs(method, family))
            own = [row for row in rows if (row["family"], row["method"]) == (family, method)]
            bad = [f"{row['case']} {row['optimizer']}" for row in own if not row["same"]]
            told = f"{family:6} {method:10} {len(own):3} cases, other bytes: {len(bad)}"
            print(told, *bad, sep="  ", flush=True)
    if absent := sorted(set(OPTIMIZERS) - set(there)):
        print("not installed:", ", ".join(absent))
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return int(not all(row["same"] for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
