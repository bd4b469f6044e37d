import io
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from prep.models.locate import Models
from prep.runtime import console as consoles
from prep.runtime.console import Console
from tests.train.runs import lora
from train.methods import config_of
from train.run.outputs import is_due


def test_saves_are_due_by_steps_and_epochs() -> None:
    """Both counts are kept, each by itself, and without them nothing is due."""
    both = config_of(save_every_steps=4, save_every_epochs=2)

    assert [step for step in range(1, 13) if is_due(step, both, per_epoch=3)] == [4, 6, 8, 12]
    assert not any(is_due(step, config_of(), per_epoch=3) for step in range(1, 13))


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
