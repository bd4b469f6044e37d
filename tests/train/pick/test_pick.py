import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import UserError
from tests.train.runs import lora, new_console, said
from train.data import dataset
from train.pick.choice import Choice, ScoredExport, choice, evened, overtrained_from
from train.pick.export_figures import ExportFigures, figures_of, quality, quality_error, subject_of
from train.pick.pick import PickWish, pick
from train.pick.pick_plot import ScaledLine, plot
from train.pick.pick_prompts import PickPicture, asked_pictures
from train.pick.pick_words import Found, sentences
from train.samples.prompts import Prompt

TAGGER = Path(__file__).resolve().parents[3] / "tinyworld" / "models" / "tagger"
QUICK = Prompt("", steps=1, guidance=1.0)


def _candidates(qualities: list[float | None], losses: list[float | None]) -> list[ScoredExport]:
    return [
        ScoredExport(f"{n}", 10 * n, q, 0.02, loss, 0.1)
        for n, (q, loss) in enumerate(zip(qualities, losses, strict=True), 1)
    ]


def test_what_is_drawn_decides_then_the_held_out_loss_then_nothing() -> None:
    """Evened out over neighbours, so that one lucky export is not taken."""
    lucky: list[float | None] = [0.5, 0.95, 0.6, 0.88, 0.9, 0.86, 0.5]
    losses: list[float | None] = [0.12, 0.11, 0.10, 0.10, 0.11, 0.12, 0.13]
    none: list[float | None] = [None] * 7

    by_quality = choice(_candidates(lucky, losses))
    by_loss = choice(_candidates(none, losses))
    by_nothing = choice(_candidates(none, none))

    assert (by_quality.number, by_quality.by, by_quality.alike) == (4, "quality", (4,))
    assert (by_loss.number, by_loss.by) == (2, "loss")
    assert (by_nothing.number, by_nothing.by) == (6, "")
    assert evened([1.0, 2.0, 4.0]) == [1.25, 2.25, 3.5]
    assert overtrained_from([0.5, 0.4, 0.3, 0.35, 0.4]) == 3
    assert overtrained_from([0.5, 0.4, 0.3]) is None


def test_among_equals_the_held_out_loss_decides() -> None:
    """What is within one standard error of the best is told by its loss; else by what it draws."""
    alike: list[float | None] = [0.80, 0.90, 0.90, 0.91, 0.91, 0.60]
    losses: list[float | None] = [0.10, 0.10, 0.09, 0.11, 0.13, 0.08]
    none: list[float | None] = [None] * 6

    assert choice(_candidates(alike, losses)) == Choice(2, "quality", (2, 3))
    assert choice(_candidates(alike, none)) == Choice(3, "quality", (2, 3))


def test_pictures_are_asked_with_the_trigger_and_without(meta: Path) -> None:
    """Each text twice, from noise of its own; what its tags are is known."""
    data = dataset.load([meta])
    found = asked_pictures(data, QUICK, 8, 0)

    first, last = (found[n].tags[0] for n in (0, 4))
    assert [one.prompt.text for one in found] == [
        *[f"mascot, {first}"] * 2, *[first] * 2, *[f"mascot, {last}"] * 2, *[last] * 2,
    ]  # fmt: skip
    assert [one.called for one in found] == [True, True, False, False] * 2
    assert len({one.prompt.seed for one in found}) == 8
    assert {one.tags for one in found} == {("pose 0",), ("pose 1",)}


def test_figures_are_means_of_what_the_tagger_sees() -> None:
    """What all pictures of the subject show and no text says is what the subject is."""
    own = {
        "a": {"hat": 1.0, "night": 0.9, "round": 0.9},
        "b": {"hat": 0.8, "snow": 0.1, "round": 0.9},
    }
    subject = subject_of(own, {"a": ("night",), "b": ("snow",)}, [{"round": 0.9}, {"hat": 0.1}])
    asked = [PickPicture(QUICK, ("night", "snow"), called, 0) for called in (True, False)]
    seen = [{"hat": 0.9, "night": 0.5}, {"hat": 0.2, "night": 1.0}]
    one = figures_of(asked, seen, subject, 0.8)

    assert (subject.marks, set(subject.readable)) == (("hat", "round"), {"night"})
    assert (one.obeyed, one.identity, one.leak) == ((0.5, 1.0), (0.45,), (0.1,))
    assert quality(ExportFigures()) is None
    assert quality(ExportFigures((0.5, 1.0), (0.9,), (0.2,))) == pytest.approx((0.75 + 0.9) / 2)
    assert quality_error(ExportFigures((0.0, 1.0))) == pytest.approx(0.5)


def test_the_three_sentences() -> None:
    """What it draws against the base model, what its losses say, and what chance cannot tell."""
    each = _candidates([0.6, 0.9, 0.7], [0.12, 0.10, 0.13])
    base = ExportFigures((0.9,), (0.1,), (0.1,), 1.0)
    one = ExportFigures((0.8,), (0.9,), (0.2,), 0.7)
    figures = [base, one, one, one]
    told = list(sentences(Found(each, choice(each), figures, 6, 12, True)))
    few = list(sentences(Found(each, choice(each), figures, 2, 4, True)))
    alone = list(sentences(Found(each, choice(each), [ExportFigures()] * 4, 6, 0, False)))

    assert "\n".join(told) == (
        "Of its 12 pictures, as the tagger sees them, the subject shows at 0.90 (0.10 of the base "
        "model), what texts ask for at 0.80 (0.90 of the base model), the subject where nothing "
        "calls it at 0.20 (0.10 of the base model); pictures of one text differ 0.70 times as "
        "far.\n"
        "The loss of the 6 pictures held out is lowest about step 20 and rises from there; it is "
        "0.0000 above that of those that train, 0.0200 at step 10 and 0.0300 at the end.\n"
        "It is recommended by what it draws, evened out over its neighbours."
    )
    assert few[2] == (
        "That is too little to say for certain: 4 pictures of an export and 2 pictures held out."
    )
    assert alone[0] == "Nothing was drawn: `--tagger` names who judges pictures."


def test_the_plot_is_whole() -> None:
    """It is XML without anything outside; a line has a point at each step that is known."""
    made = plot("a < b", [10, 20, 30], [ScaledLine("one", [0.1, None, 0.3], (0.0, 1.0))], 2)
    root = ElementTree.fromstring(made)  # noqa: S314  (our own)

    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert made.count("<circle") == 2
    assert [one.text for one in root if one.get("text-anchor") == "end"] == [
        "0", "0.25", "0.5", "0.75", "1"
    ]  # fmt: skip
    assert "http" not in made.replace("http://www.w3.org/2000/svg", "")


def test_one_of_a_run_is_recommended(meta: Path, tmp_path: Path, models: Models) -> None:
    """Drawn, judged by the tagger and plotted; the same command again draws nothing."""
    made = lora(meta, tmp_path / "runs", models, new_console(), save_every_steps=3, held_out=2)
    for number in range(6):
        place = meta.parent / "images" / f"{number}.png"
        Image.new("RGB", (64, 64), (40 * number, 90, 120)).save(place)
    wish = PickWish(str(TAGGER), 4, QUICK, device="cpu")
    console = Console(json=True, out=(told := new_console()).out, err=told.err)

    chosen = pick(made.parent, wish, models, console)
    pictures = made.parent / "pick" / "pictures"
    times = {path: path.stat().st_mtime_ns for path in pictures.glob("*--*.png")}
    again = pick(made.parent, wish, models, new_console())

    found = json.loads(said(console)[0].splitlines()[-1])
    assert chosen == again
    assert found["export"] == str(chosen)
    assert [one["step"] for one in found["exports"]] == [3, 6]
    assert all(one["held_out_loss"] for one in found["exports"])
    assert len([path for path in times if not path.name.startswith("own--")]) == 3 * 4
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert (made.parent / "pick.svg").exists()
    assert not list((meta.parent / "images").glob("*.txt"))


def test_without_a_tagger_losses_decide_and_nothing_is_drawn(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """That is told; a folder that is no run is refused."""
    made = lora(meta, tmp_path / "runs", models, new_console(), steps=2)
    console = new_console()

    assert pick(made.parent, PickWish(), models, console) == made
    lines = said(console)[0].splitlines()
    assert lines[:2] == [f"take {made}", "Nothing was drawn: `--tagger` names who judges pictures."]
    assert lines[2] == (
        "No picture is held out, so nothing tells what it has learnt by heart: `--held-out 0.1` "
        "does in the next training."
    )
    assert lines[3] == "So there is nothing to choose by, and it is simply the last one."
    assert not (made.parent / "pick").exists()
    with pytest.raises(UserError) as caught:
        pick(meta.parent, PickWish(), models, new_console())
    assert str(caught.value) == f"`{meta.parent}` is not a run folder"
