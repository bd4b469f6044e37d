"""Several processes that train together: what becomes of them when one of them ends or is slow."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError
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


def _launched(meta: Path, out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Let two gloo processes fine-tune, their weights split."""
    variables = os.environ | {"ACCELERATE_USE_CPU": "true", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
         "-m", "train", "finetune", str(meta), *words, "--out", str(out), "--shard",
         "--save-every-steps", "2"],
        cwd=ROOT, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_gradients_of_split_weights_are_summed() -> None:
    """Of two processes with other inputs; whole again, one computes and reads without the other."""
    told = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
         "-m", "tests.train.step.split_gradients"],
        cwd=ROOT, env=os.environ | {"ACCELERATE_USE_CPU": "true"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip

    assert told.stdout.splitlines() == ["the sum"] * 2, told.stderr


@pytest.mark.long
def test_split_weights_learn_as_whole_ones(
    meta: Path, tmp_path: Path, models: Models, base: Path
) -> None:
    """Two processes that split a fine-tune: one process's inputs and weights but for rounding.

    A batch of one leaves one of them without a part; stopped in between, they end in the same
    bytes; each export, on the way too, is whole, and one process goes on with their checkpoint.
    """
    (tmp_path / "p.txt").write_text("mascot --w 32 --h 32 --s 2\n")
    given = {"batch": 2, "accumulate": 2, "learning_rate": 1e-3, "save_every_steps": 2}
    config = config_of(
        "finetune", steps=4, out=tmp_path / "one", prompts=tmp_path / "p.txt", **given
    )
    one = start.start([meta], config, models, Console(level=0))
    words = ["--batch", "2", "--accumulate", "2", "--learning-rate", "1e-3", "--steps", "4",
             "--prompts", str(tmp_path / "p.txt")]  # fmt: skip

    straight = _launched(meta, tmp_path / "two", *words)
    assert straight.returncode == 0, straight.stderr
    two = tmp_path / "two" / one.parent.name
    each = [_weights(run / "images") for run in (one.parent, two)]
    shutil.rmtree(two / "images")
    shutil.rmtree(two / "checkpoints/step-00000004")
    again = _launched(meta, tmp_path / "two", *words)

    assert again.returncode == 0, again.stderr
    assert "continues after step 2 of 4" in again.stderr
    rows = [
        [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (one.parent, two)
    ]
    assert [row["inputs"] for row in rows[1]] == [row["inputs"] for row in rows[0]]
    losses = [[row["loss"] for row in some] for some in rows]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    resumed = _weights(two / "images")
    assert each[0].keys() == each[1].keys() == resumed.keys()
    assert all(torch.equal(each[1][name], resumed[name]) for name in resumed)
    began = _weights(base)
    moved = _length(each[0], began)
    assert moved > 0.1
    # Adam's first steps give a gradient that is rounding alone its full length.
    assert _length(each[1], each[0]) < 0.02 * moved
    assert _weights(two / "images-step00000002").keys() == resumed.keys()
    assert len(list((two / "samples").glob("*.png"))) == 2
    longer = config_of("finetune", steps=5, out=tmp_path / "two", **given)
    assert start.start([meta], longer, models, Console(level=0)).parent == two


def _length(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Return how far apart two models are."""
    return sum(float((one[name] - other[name]).square().sum()) for name in one) ** 0.5


def _weights(model: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(
        model / "unet" / "diffusion_pytorch_model.safetensors"
    )
    return found


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"method": "lora"}, "`--shard` is given, and `train lora` trains too few weights to split",
         "leave it out: it is for `train finetune`"),
        ({"text_encoder": True}, "`--shard` and `--text-encoder` are given, and do not go together",
         "leave one out"),
        ({"optimizer": "lion"},
         "`--shard` and `--optimizer lion` are given, and do not go together",
         "give `--optimizer adamw`"),
        ({"precision": "fp16"}, "`--shard` is given with weights in half precision, or fp16",
         "train in fp32 or bf16"),
    ],
)  # fmt: skip
def test_what_split_weights_cannot_learn_with(
    given: dict[str, Any], message: str, hint: str
) -> None:
    """Methods and options that split weights do not have are two lines."""
    with pytest.raises(ConfigError) as caught:
        config_of(**({"method": "finetune", "shard": True} | given))

    assert (str(caught.value), caught.value.hint) == (message, hint)
