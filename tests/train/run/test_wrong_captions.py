from pathlib import Path

import numpy as np

from prep.models.locate import Models
from tests.train.runs import lora, new_console, said
from train.run.fixed_losses import FixedLosses, Measured, read
from train.run.wrong_captions import doubts

KEYS = [f"{n:02d}.png" for n in range(12)]


def _row(wrong: str, ratio: float) -> Measured:
    dice = np.random.default_rng(0)
    without = {key: dice.uniform(0.05, 0.3, 4).tolist() for key in KEYS}
    helped = dict(zip(KEYS, dice.normal(0.9, 0.02, 12), strict=True)) | {wrong: ratio}
    return Measured(
        0, {key: [helped[key] * loss for loss in each] for key, each in without.items()}, {},
        without,
    )  # fmt: skip


def test_a_caption_that_makes_a_picture_harder_leads() -> None:
    """Its ratio is that of the losses; it stands out alone, and only where it does harm."""
    first, *others = doubts(_row("04.png", 1.15))

    assert first.key == "04.png"
    np.testing.assert_allclose(first.ratio, 1.15, rtol=1e-12)
    assert first.stands_out()
    assert not any(one.stands_out() for one in others)
    assert first.told() == (
        "the caption of `04.png` may be wrong: the base model finds the picture 15 % harder to see "
        "with it than without any text"
    )
    assert not any(one.stands_out() for one in doubts(_row("04.png", 0.999)))


def test_too_few_pictures_tell_nothing() -> None:
    """Nor does a run of before, which did not measure pictures without their texts."""
    row = _row("04.png", 1.15)

    assert not doubts(Measured(0, {key: row.trained[key] for key in KEYS[:7]}, {}, row.textless))
    assert not doubts(Measured(0, row.trained, {}))


def test_it_is_measured_once_and_kept(meta: Path, tmp_path: Path, models: Models) -> None:
    """The first row of a run has it, whatever was drawn and saved; a resumed run keeps it."""
    console = new_console()
    made = lora(meta, tmp_path / "runs", models, console, watch=6, save_every_steps=3)
    first, *others = read(made.parent / "fixed_losses.jsonl")

    assert (first.step, len(first.textless)) == (0, 6)
    assert {len(each) for each in first.textless.values()} == {4}
    assert first.textless != first.trained
    assert not any(row.textless for row in others)
    with FixedLosses.opened(tmp_path / "fixed", 0) as fixed:
        fixed.add(first)
    assert read(tmp_path / "fixed") == [first]
    assert "may be wrong" not in said(console)[1]
