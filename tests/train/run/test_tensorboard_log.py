"""TensorBoard is told what `metrics.jsonl` says, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from prep.models.locate import Models
from tests.train.runs import lora, new_console, said

pytest.importorskip("tensorboard", reason="the optional package is not installed")


def _shown(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what TensorBoard reads of a run, by name: step and value."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: Any = EventAccumulator(str(run / "tensorboard"), purge_orphaned_data=False)
    found.Reload()
    return {
        name: [(one.step, one.value) for one in found.Scalars(name)]
        for name in found.Tags()["scalars"]
    }


def _logged(run: Path) -> dict[str, list[tuple[int, float]]]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {
        name: [(row["step"], pytest.approx(row[name])) for row in rows]
        for name in ("loss", "learning_rate")
    }


@pytest.fixture
def stopped(meta: Path, tmp_path: Path, models: Models) -> Path:
    """A run of two steps without the option, of which a third was told before it was killed."""
    made = lora(meta, tmp_path / "runs", models, new_console(), steps=2)
    with (made.parent / "metrics.jsonl").open("a") as log:
        log.write(json.dumps({"step": 3, "loss": 9.0, "learning_rate": 9.0}) + "\n")
    return made.parent


def test_each_step_stands_there_once(
    meta: Path, tmp_path: Path, models: Models, stopped: Path
) -> None:
    """Steps before the option, after it, and those that a killed run told and lost: one each.

    The weights are those of a run without it.
    """
    console = new_console()
    plain = lora(meta, tmp_path / "plain", models, new_console(), steps=6)
    for steps in (4, 6):
        made = lora(meta, tmp_path / "runs", models, console, steps=steps, log="tensorboard")
        assert _shown(stopped) == _logged(stopped)
        if steps == 4:  # a run that was killed after telling step 5, and before saving it
            _tell(stopped, 5)

    assert [step for step, _ in _shown(stopped)["loss"]] == [1, 2, 3, 4, 5, 6]
    assert said(console)[1].count("continues after step ") == 2
    assert made.read_bytes() == plain.read_bytes()


def _tell(run: Path, step: int) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(run / "tensorboard")) as writer:
        writer.add_scalar("loss", 9.0, step)


def test_an_optimizer_s_own_rate_is_not_made_up(meta: Path, tmp_path: Path, models: Models) -> None:
    """Where the optimizer sets the rate, losses alone are shown: of steps and at fixed noise."""
    made = lora(
        meta, tmp_path, models, new_console(), steps=1, log="tensorboard",
        optimizer="adafactor-relative", learning_rate=None, held_out=1,
    )  # fmt: skip
    shown = _shown(made.parent)

    assert sorted(shown) == ["held_out_loss", "loss", "trained_loss"]
    assert [step for step, _ in shown["held_out_loss"]] == [0, 1]
