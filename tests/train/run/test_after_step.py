import io
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from prep.models.locate import Models
from prep.runtime import console as consoles
from prep.runtime.console import Console
from prep.runtime.stopping import Stop
from tests.train.runs import lora, new_console
from train.methods import config_of
from train.run import checkpoint
from train.run.after_step import AfterStep
from train.run.outputs import is_due
from train.step.distributed import Processes
from train.step.loop import Step
from train.step.trainer import Trainer


def test_saves_are_due_by_steps_and_epochs() -> None:
    """Both counts are kept, each by itself, and without them nothing is due."""
    both = config_of(save_every_steps=4, save_every_epochs=2)

    assert [step for step in range(1, 13) if is_due(step, both, per_epoch=3)] == [4, 6, 8, 12]
    assert not any(is_due(step, config_of(), per_epoch=3) for step in range(1, 13))


def test_a_step_that_others_followed_is_never_saved(tmp_path: Path) -> None:
    """Whether ten minutes are over or a stop was asked for: what is saved is the newest step."""
    config, stop = config_of(save_every_steps=7), Stop()
    trainer = Trainer({"a": torch.nn.Parameter(torch.ones(2))}, config, "cpu")
    with new_console().progress("training", 9) as progress:
        watch = AfterStep(
            config=config, folder=tmp_path, recipe="r", steps=9, per_epoch=9, machine={},
            trainer=trainer, processes=Processes(), metrics=None, progress=progress, stop=stop,
            publish=lambda step: None,
        )  # fmt: skip
        assert [step for step in range(1, 9) if watch.at_once(step)] == [7]
        watch.saved_at = -1e9
        assert watch.at_once(1)
        watch.after(Step(1, 0.5, 0.1, "", newest=False))
        watch.after(Step(2, 0.5, 0.1, ""))
        assert [step for step, _ in checkpoint.steps(tmp_path)] == [2]
        stop.asked = signal.SIGTERM
        assert watch.at_once(3)
        watch.after(Step(3, 0.5, 0.1, "", newest=False))
        with pytest.raises(SystemExit):
            watch.after(Step(4, 0.5, 0.1, ""))

    assert [step for step, _ in checkpoint.steps(tmp_path)] == [4, 2]


def _on_a_terminal(columns: int, work: Callable[[Console], object]) -> list[str]:
    """Return what a pseudo terminal was shown, cut where a line is wiped."""
    import pty
    import termios

    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, columns))
    with os.fdopen(follower, "w") as stream:
        work(Console(out=io.StringIO(), err=stream))
    shown = os.read(leader, 1 << 16)
    os.close(leader)
    return shown.decode().split("\r\x1b[2K")


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo terminal")
def test_a_terminal_shows_how_it_goes(
    meta: Path, tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step on one line: loss, mean of the last ones, rate, pace, time left, memory.

    A narrow terminal gets as much of it as fits.
    """
    monkeypatch.setattr(consoles, "_DRAW_EVERY_S", 0.0)
    wide, narrow = (
        _on_a_terminal(n, lambda console, n=n: lora(meta, tmp_path / f"{n}", models, console))
        for n in (200, 40)
    )
    (log,) = (tmp_path / "200").glob("*/metrics.jsonl")
    losses = [json.loads(line)["loss"] for line in log.read_text().splitlines()]

    line = re.compile(
        r"training (\d)/6, [\d.]+(?:/s| s each), \d+ s left, "
        r"loss ([\d.]+), mean ([\d.]+), rate 0.001, \d+\.\d GiB"
    )
    steps = [found for one in wide if (found := line.fullmatch(one))]
    assert [found.groups() for found in steps] == [
        (str(n), f"{losses[n - 1]:.4f}", f"{sum(losses[:n]) / n:.4f}") for n in range(1, 7)
    ]
    assert [len(one) for one in narrow if one.startswith("training ")] == [40] * 6
    assert wide[-1] == narrow[-1] == ""
