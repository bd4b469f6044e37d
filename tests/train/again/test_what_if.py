import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from prep.models.locate import Models
from prep.runtime.errors import UserError
from tests.train.runs import lora, new_console, said
from train.again.edits import DataEdit, edited, retag_of
from train.again.what_if import WhatIf, what_if
from train.again.what_if_figures import apart, seen
from train.data import dataset
from train.samples.prompts import Prompt

QUICK = Prompt("", steps=1, guidance=1.0)


def test_an_edit_leaves_every_picture_its_place(meta: Path) -> None:
    """Dropped it weighs nothing; retagged it keeps its trigger and the caption behind the tags."""
    data = dataset.load([meta])

    dropped, first = edited(data, [DataEdit("1.png", drop=True)])
    retagged, keys = edited(data, [retag_of("[24].png:+asleep,-pose 0, +mascot")])

    assert (first, keys) == (["1.png"], ["2.png", "4.png"])
    assert dropped.repeats() == data.repeats() == retagged.repeats()
    assert dropped.samples["1.png"].weight == 0
    assert retagged.samples["2.png"].text == "mascot, asleep"
    assert (retagged.samples["2.png"].num_tags, retagged.samples["2.png"].lead) == (2, 1)
    assert retagged.samples["0.png"] == data.samples["0.png"]


@pytest.mark.parametrize(
    ("edit", "message", "hint"),
    [
        ("7.png:-x", "no picture that trains is named `7.png`", "did you mean `0.png`?"),
        (
            "1.png:-x",
            "`--retag 1.png:-x` changes nothing: it has no tag `x`",
            "the tags of `1.png`: mascot, pose 1",
        ),
        (
            "1.png:+pose 1",
            "`--retag 1.png:+pose 1` changes nothing: it has these tags already",
            "the tags of `1.png`: mascot, pose 1",
        ),
        (
            "1.png:x",
            "`--retag 1.png:x` is wrong",
            "give a picture and what it gets and loses, as `a.png:+night,-snow`",
        ),
    ],
)
def test_what_is_no_edit_is_refused(meta: Path, edit: str, message: str, hint: str) -> None:
    """In two lines: a picture, a tag or a form that is not there."""
    with pytest.raises(UserError) as caught:
        edited(dataset.load([meta]), [retag_of(edit)])

    assert str(caught.value) == message
    assert hint in (caught.value.hint, "did you mean `0.png`?")


def test_one_picture_is_left_at_least(meta: Path) -> None:
    """Without all of them there is nothing to compare with, and it is said before a step."""
    with pytest.raises(UserError) as caught:
        edited(dataset.load([meta]), [DataEdit("*", drop=True)])

    assert str(caught.value) == "no picture is left to train on"
    assert caught.value.hint == "drop fewer: `--drop` takes one picture, or some"


def test_figures_are_compared_with_chance() -> None:
    """More than three times what equal runs with other noise differ by; fine floors are none."""
    moved = seen("a", "snow", {"0": [0.2, 0.4], "1": [0.9, 0.9], "2": [0.3, 0.4], "3": [0.2, 0.3]})
    still = apart("a", [4.0, 3.0, 4.0])

    assert (round(moved.before, 6), moved.after) == (0.3, 0.9)
    assert moved.floor == pytest.approx(0.05)
    assert moved.line() == ("  `snow` is seen 0.90, was 0.30; by chance 0.05: 12.0 times  MOVED")
    assert not still.stands_out()
    assert still.line() == "  pictures are 4.0 apart; by chance 3.54: 1.1 times"
    assert seen("a", "b", {"0": [1.0], "1": [0.96], "2": [1.0]}).times == pytest.approx(2)


def test_the_last_part_is_trained_twice_and_more(
    meta: Path, tmp_path: Path, models: Models, changed: Callable[..., Path]
) -> None:
    """As it was it ends in the run's own numbers; edited, and with other noise, in others.

    The same command again trains and draws nothing; an edited dataset is another run's.
    """
    made = lora(meta, tmp_path / "runs", models, new_console(), save_every_steps=2, keep=9)
    wish = WhatIf(
        [retag_of("*:-pose 0")], out_of=tmp_path / "runs", chance=1, pictures=1, usual=QUICK,
        step=4,
    )  # fmt: skip
    console = new_console()
    found = what_if(meta, wish, models, console)
    folder = made.parent / "what-if" / "from step 4"
    (own_folder,) = (path for path in folder.iterdir() if path.is_dir())
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    again = what_if(meta, wish, models, new_console())

    own, same, other, chance = (
        load_file(path)
        for path in (made, folder / "as it was.safetensors",
                     own_folder / "with the edit.safetensors",
                     folder / "by chance 1.safetensors")
    )  # fmt: skip
    assert all(torch.equal(tensor, same[name]) for name, tensor in own.items())
    for each in (other, chance):
        assert not all(torch.equal(tensor, each[name]) for name, tensor in own.items())
    assert [one.text for one in found] == ["mascot, pose 0"]
    assert found == again
    kept = [path for path in times if path.name not in ("sheet.png", "lock")]
    assert {path: path.stat().st_mtime_ns for path in kept} == {path: times[path] for path in kept}
    assert said(console)[0].splitlines()[0] == (
        f"--retag *:-pose 0: 3 pictures, steps 5 to 6 of {made.parent}"
    )

    changed(meta, "1.png", tags=("mascot", "asleep"))
    with pytest.raises(UserError) as caught:
        what_if(meta, wish, models, new_console())
    assert str(caught.value) == (
        f"`{made.parent}` is not the run of what is here any more: the dataset differs"
    )


def test_a_run_that_cannot_be_asked_is_told(meta: Path, tmp_path: Path, models: Models) -> None:
    """There is none of the dataset, or no checkpoint before its end."""
    wish = WhatIf([DataEdit("1.png", drop=True)], out_of=tmp_path / "runs", usual=QUICK)
    with pytest.raises(UserError) as caught:
        what_if(meta, wish, models, new_console())
    assert str(caught.value) == f"no run in `{tmp_path / 'runs'}` trained on `{meta}`"

    made = lora(meta, tmp_path / "runs", models, new_console(), steps=1)
    with pytest.raises(UserError) as caught:
        what_if(meta, wish, models, new_console())
    assert str(caught.value) == f"`{made.parent}` has no checkpoint before its last step"
    assert json.loads((made.parent / "config.json").read_text())["steps"] == 1
