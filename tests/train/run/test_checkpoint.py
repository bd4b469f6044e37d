import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.runtime.errors import MachineError
from train.run import checkpoint
from train.run.checkpoint import Checkpoint


def _made(step: int, recipe: str = "r") -> Checkpoint:
    weights = {"a": torch.full((2, 3), float(step)), "b.c": torch.tensor([1.0, -0.0, 3e-39])}
    states = {
        "a/step": torch.tensor(float(step)),
        "a/state1": torch.arange(5, dtype=torch.uint8),
        "b.c/exp_avg": torch.ones(3, dtype=torch.bfloat16),
    }
    return Checkpoint(step, recipe, weights, states, {"scaler": {"x": 1}}, {"torch": "1"})


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _equal(one: Checkpoint, two: Checkpoint) -> bool:
    tensors = ((one.weights, two.weights), (one.optimizer, two.optimizer))
    return (one.step, one.recipe, one.numbers, one.machine) == (
        two.step, two.recipe, two.numbers, two.machine,
    ) and all(
        set(a) == set(b) and all(a[k].dtype == b[k].dtype and torch.equal(a[k], b[k]) for k in a)
        for a, b in tensors
    )  # fmt: skip


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    """Weights and states of every dtype, numbers and step are read as they were written."""
    checkpoint.write(tmp_path, _made(3), keep=1)

    found, torn = checkpoint.newest(tmp_path, "r")

    assert found is not None
    assert _equal(found, _made(3))
    assert torn == []
    assert _names(tmp_path / "step-00000003") == [
        "manifest.json", "optimizer.safetensors", "state.json", "weights.safetensors",
    ]  # fmt: skip


def test_equal_states_give_equal_bytes(tmp_path: Path) -> None:
    """Nothing of clock, place or order is in a checkpoint."""
    one, two = (checkpoint.write(tmp_path / n, _made(1), keep=1) for n in "ab")

    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in _names(one))


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    """After each save all but the newest are gone, and nothing half removed is left."""
    for step in (8, 9, 10, 100):
        checkpoint.write(tmp_path, _made(step), keep=2)

    assert _names(tmp_path) == ["step-00000010", "step-00000100"]


def test_no_checkpoint_is_no_error(tmp_path: Path) -> None:
    """A run that never saved begins at the beginning."""
    assert checkpoint.newest(tmp_path / "none", "r") == (None, [])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


HARM: dict[str, Callable[[Path], Any]] = {
    "one bit of the weights": lambda p: _flip(p / "weights.safetensors"),
    "one bit of the optimizer": lambda p: _flip(p / "optimizer.safetensors"),
    "one bit of the numbers": lambda p: _flip(p / "state.json"),
    "a short file": lambda p: os.truncate(p / "weights.safetensors", 10),
    "an empty manifest": lambda p: (p / "manifest.json").write_text(""),
    "a manifest of another kind": lambda p: (p / "manifest.json").write_text("[1]"),
    "a manifest that leads away": lambda p: (p / "manifest.json").write_text(
        '{"format": 1, "files": {"../x": "0"}}'
    ),
    "no manifest": lambda p: (p / "manifest.json").unlink(),
    "a file gone": lambda p: (p / "optimizer.safetensors").unlink(),
    "everything gone": lambda p: [file.unlink() for file in p.iterdir()],
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_a_torn_checkpoint_is_passed_over(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """Row 85: whatever happened to the newest one, the one before it is used, and both are told."""
    checkpoint.write(tmp_path, _made(1), keep=2)
    harm(checkpoint.write(tmp_path, _made(2), keep=2))

    found, torn = checkpoint.newest(tmp_path, "r")

    assert found is not None
    assert _equal(found, _made(1))
    assert torn == ["step-00000002"]
    checkpoint.write(tmp_path, _made(2), keep=2)
    again, torn = checkpoint.newest(tmp_path, "r")
    assert again is not None
    assert (again.step, torn) == (2, [])


def test_none_that_is_whole(tmp_path: Path) -> None:
    """Row 85: where every checkpoint is torn, work of hours is not thrown away in silence."""
    for step in (1, 2):
        _flip(checkpoint.write(tmp_path, _made(step), keep=2) / "weights.safetensors")

    with pytest.raises(MachineError) as caught:
        checkpoint.newest(tmp_path, "r")

    assert (str(caught.value), caught.value.hint) == (
        f"none of the 2 checkpoints in `{tmp_path}` is whole",
        "delete that folder: the same command then begins again",
    )


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    """A checkpoint that was copied from another run is never gone on with."""
    path = checkpoint.write(tmp_path, _made(1, recipe="other"), keep=1)

    with pytest.raises(MachineError) as caught:
        checkpoint.newest(tmp_path, "r")

    assert (str(caught.value), caught.value.hint) == (
        f"`{path}` is a checkpoint of another run",
        "move it away, or choose another `--out`",
    )


@pytest.mark.parametrize("nth", range(1, 6))
def test_a_full_disk_leaves_the_old_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    """Row 86: full at any write of a checkpoint, it is told, and the old ones stay as they were."""
    checkpoint.write(tmp_path, _made(1), keep=1)
    real, calls = os.fsync, [0]

    def full(descriptor: int) -> None:
        calls[0] += 1
        if calls[0] == nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(MachineError) as caught:
            checkpoint.write(tmp_path, _made(2), keep=1)

    assert (str(caught.value), caught.value.hint) == (
        f"`{tmp_path / 'step-00000002'}` cannot be written: No space left on device",
        "free some space, then run the same command: it goes on where it stopped",
    )
    assert _names(tmp_path) == ["step-00000001"]
    found, torn = checkpoint.newest(tmp_path, "r")
    assert found is not None
    assert _equal(found, _made(1))
    assert torn == []


def test_what_a_killed_save_left_is_swept(tmp_path: Path) -> None:
    """A half-written checkpoint has no checkpoint's name, and goes with the next start."""
    whole = checkpoint.write(tmp_path, _made(1), keep=1)
    shutil.copytree(whole, tmp_path / ".tmp-1")

    assert checkpoint.steps(tmp_path) == [(1, whole)]
    checkpoint.sweep(tmp_path)
    assert _names(tmp_path) == ["step-00000001"]
