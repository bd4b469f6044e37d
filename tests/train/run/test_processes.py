"""Several processes that train together: what becomes of them when one of them ends or is slow."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from prep.models.locate import Models
from prep.runtime.console import Console
from train.methods import config_of
from train.run import checkpoint, start

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="children are found in /proc"
)


def _child(parent: int, rank: int) -> int:
    """Return the process of a rank that a launcher started."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "environ").read_bytes().split(b"\0")
            family = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if family == parent and f"RANK={rank}".encode() in words:
            return int(folder.name)
    raise AssertionError(f"there is no process of rank {rank}")


def _until(there: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not there():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_one_that_is_killed_ends_all(meta: Path, tmp_path: Path, models: Models) -> None:
    """Killed in the middle, the second of two takes the first along; what is saved goes on."""
    variables = os.environ | {"ACCELERATE_USE_CPU": "true", "HF_HUB_OFFLINE": "1"}
    words = ["--steps", "100000", "--save-every-steps", "2", "--keep", "9", "--rank", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
         "-m", "train", "lora", str(meta), *words, "--out", str(tmp_path / "runs")],
        cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as launched:  # fmt: skip
        _until(lambda: any(tmp_path.glob("runs/*/checkpoints/step-00000004")))
        os.kill(_child(launched.pid, 1), signal.SIGKILL)
        code = launched.wait(60)
    (folder,) = tmp_path.glob("runs/*")
    done = max(
        step for step, one in checkpoint.steps(folder / "checkpoints") if checkpoint.whole(one)
    )
    config = config_of(steps=done + 1, rank=2, out=tmp_path / "runs", save_every_steps=2, keep=9)

    made = start.start([meta], config, models, Console(level=0))

    assert code != 0
    assert done >= 4
    assert made.parent == folder
