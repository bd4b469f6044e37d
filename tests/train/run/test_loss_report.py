"""What is told of pictures: hard ones, quick ones, those learnt by heart, and a loss that rises."""

import math
from pathlib import Path

import numpy as np
import pytest

from prep.runtime.errors import UserError
from tests.train.runs import new_console, said
from train.run import fixed_losses, picture_losses
from train.run.fixed_losses import FixedLosses, Measured
from train.run.loss_range import WINDOW, LossRange
from train.run.loss_report import report
from train.run.memorised import BOUND, falls
from train.run.picture_losses import PictureLosses
from train.run.tell_losses import tell_losses
from train.step.loop import ShownLoss

PICTURES = [f"{n:02d}.png" for n in range(12)]


def _loss(key: str, step: int, time: float, chance: float) -> float:
    """A loss that falls with the timestep; `03` is hard, `05` falls, `07` meets late ones alone."""
    found = math.exp(-time / 200 - step / 3000 + chance)
    return found * {"03.png": 1.5, "05.png": 1.2 - step / 1500}.get(key, 1.0)


def _run(folder: Path) -> Path:
    """A run folder of 600 steps with two pictures each, and three measurements."""
    dice = np.random.default_rng(3)
    folder.mkdir()
    (folder / "config.json").write_text('{"recipe": "r"}')
    with PictureLosses.opened(folder / picture_losses.NAME, PICTURES, 0) as file:
        for step in range(1, 601):
            shown = []
            for place in range(2):
                key = PICTURES[(2 * step + place) % 12]
                time = dice.integers(800, 1000) if key == "07.png" else dice.integers(0, 1000)
                loss = _loss(key, step, float(time), dice.normal(0, 0.1))
                shown.append(ShownLoss(key, float(time), loss))
            file.add(step, shown)
    with FixedLosses.opened(folder / fixed_losses.NAME, 0) as fixed:
        for step, fall in ((0, 1.0), (300, 0.8), (600, 0.5)):
            trained = {
                key: [0.5 * (fall if key == "05.png" else 0.9 + 0.005 * n)] * 4
                for n, key in enumerate(PICTURES)
            }
            fixed.add(Measured(step, trained, {"x.png": [0.6]}))
    return folder


def test_the_hardest_and_the_quickest_are_named(tmp_path: Path) -> None:
    """Whatever the timesteps that it met, a picture's level and fall are those that it has."""
    found = picture_losses.read(_run(tmp_path / "run"))
    assert found is not None
    each = {one.key: one for one in report(found)}

    assert next(one.key for one in report(found)) == "03.png"
    for key, one in each.items():
        assert one.seen == 100
        if key not in ("03.png", "05.png"):
            assert one.level == pytest.approx(each["00.png"].level, rel=0.1)
    assert each["03.png"].level / each["00.png"].level == pytest.approx(1.5, rel=0.1)
    assert min(each.values(), key=lambda one: one.fall).key == "05.png"
    assert each["05.png"].fall / each["00.png"].fall == pytest.approx(0.8667 / 1.1333, rel=0.1)
    assert each["03.png"].level_error == pytest.approx(0.1 / 50**0.5, rel=0.5)


def test_losses_are_told_with_the_files_names(tmp_path: Path) -> None:
    """`train losses` lists them, and what was measured at fixed noise."""
    console = new_console()
    tell_losses(_run(tmp_path / "run"), console, 1)
    lines = said(console)[0].splitlines()

    assert lines[0] == f"{tmp_path / 'run'}: 1200 showings of 12 pictures, steps 1 to 600"
    assert lines[1].startswith("hardest (")
    assert lines[2].endswith("seen 100  03.png")
    assert lines[3].startswith("learnt quickest (")
    assert lines[4].endswith("seen 100  05.png")
    assert lines[5:7] == ["at fixed noise:", "  step 0: held out 0.6000, trained 0.4669"]
    assert lines[9].startswith("fallen furthest at fixed noise (")
    assert lines[10].startswith("   0.50  ")
    assert lines[10].endswith("  05.png  LEARNT BY HEART")
    assert len(lines) == 11


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (None, ("`{}` is not a run folder", "name a folder that holds `config.json`")),
        ("{}", ("`{}` has no losses of its pictures", "they are written from its next step on")),
    ],
)
def test_a_folder_without_losses(tmp_path: Path, config: str | None, told: tuple[str, str]) -> None:
    """It is told in two lines what is missing."""
    if config:
        (tmp_path / "config.json").write_text('{"recipe": "r"}')
    with pytest.raises(UserError) as caught:
        tell_losses(tmp_path, new_console(), 5)

    assert (str(caught.value), caught.value.hint) == (told[0].format(tmp_path), told[1])


def test_falls_are_compared_by_their_median() -> None:
    """Distance and ratio are those of the formula; too few pictures tell nothing."""
    dice = np.random.default_rng(0)
    before = {key: dice.uniform(0.2, 2, 4).tolist() for key in PICTURES}
    ratio = dict(zip(PICTURES, dice.normal(0.8, 0.05, 12), strict=True)) | {"04.png": 0.3}
    now = {key: [ratio[key] * loss for loss in each] for key, each in before.items()}
    found = {fall.key: fall for fall in falls(before, now)}

    logs = np.log([ratio[key] for key in PICTURES])
    width = 1.4826 * np.median(np.abs(logs - np.median(logs)))
    for key, log in zip(PICTURES, logs, strict=True):
        assert found[key].ratio == pytest.approx(ratio[key])
        assert found[key].distance == pytest.approx((log - np.median(logs)) / width)
        assert found[key].stands_out() == (key == "04.png") == (found[key].distance < -BOUND)
    assert falls(before, now)[0].key == "04.png"
    assert falls({key: before[key] for key in PICTURES[:7]}, now) == []


def test_a_loss_that_rises_is_told_once() -> None:
    """A rise of all losses is found within a window; of 300 runs that do not rise, in none."""
    dice = np.random.default_rng(1)
    for _ in range(300):
        steady = LossRange()
        assert not any(steady.left_with(loss) for loss in np.exp(dice.normal(0, 1, 3 * WINDOW)))
    found = LossRange()
    losses = [*np.exp(dice.normal(-1, 1, 4 * WINDOW)), *np.exp(dice.normal(0, 1, 2 * WINDOW))]
    told = [(n, times) for n, loss in enumerate(losses) if (times := found.left_with(loss))]

    assert len(told) == 1
    assert 4 * WINDOW < told[0][0] < 5 * WINDOW
    assert told[0][1] == pytest.approx(math.exp(0.85), rel=0.3)
