"""Crops as a person types them: faces, shots, ratios, trimming, sizes; and the words of a shot."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prep.engine.opening import locked_session
from prep.engine.session import Context, Job
from prep.engine.state.ledger_queries import Edit
from prep.models.locate import Models
from prep.pipeline.locations import location_of
from prep.runtime.console import Console
from prep.stages import all_stages
from tests.prep.conftest import BuiltOnce, Said
from tests.tagger_models.detectors.yolo_graphs import answering
from tinyworld.draw import draw
from tinyworld.world import MASCOT, Scene

Prep = Callable[..., Said]


@pytest.fixture
def looked(built_once: BuiltOnce, prep: Prep) -> Path:
    """Stand beside `raw`: a mascot, and a picture of nobody; `prep faces` has looked at both."""

    def build() -> None:
        Path("raw").mkdir()
        scene = Scene(MASCOT, "meadow", "standing", "full_body", (300, 420))
        draw(scene, 7).save("raw/a.png")
        Path("raw/a.txt").write_text("solo, boots, navel, full body\n")
        sky = np.linspace(90, 200, 300 * 200).reshape(200, 300, 1).repeat(3, 2)
        Image.fromarray(sky.astype(np.uint8)).save("raw/b.png")
        assert prep("faces", "raw", "--model", "tiny").code == 0

    return built_once(build)


def cut(path: str) -> Image.Image:
    """Return a picture that was cut; its file is closed."""
    with Image.open(path) as image:
        return image.copy()


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).glob("*.png"))


def test_shots_of_a_person_and_their_words(looked: Path, prep: Prep) -> None:
    """Each shot is told whence it is, and trains on the words that fit it; nobody is left out."""
    somebody = np.array([[[32, 12, 8, 8, 0.9, 0], [32, 33, 30, 56, 0, 0.9]]]).transpose(0, 2, 1)
    answering(Path("lady.onnx"), somebody, "{0: 'face', 1: 'person'}")
    (looked / "one").mkdir()
    for name in ("a.png", "a.txt"):
        shutil.copy(looked / "raw" / name, looked / "one")
    prep("faces", "one", "--model", "lady.onnx")
    prep("crop", "one", "shots", "--cut", "stages", "--min-side", "48")

    assert names("shots") == ["a.png@face.png", "a.png@figure.png", "a.png@upper.png"]
    nobody = prep("crop", "raw", "none", "--cut", "stages", "--min-side", "48").out
    assert "left out: b.png: no face was found in it" in nobody
    assert "a.png@figure.png" in names("none")
    why = prep("why", "a.png@face.png", "--in", "shots").out
    assert "made from a.png of `../one` by crop: portrait, found by lady, cut to " in why
    prep("edit", "shots", "--trigger", "lumi")
    samples = json.loads(Path("meta.json").read_text())["samples"]
    assert {key.split("@")[1]: row["tags"] for key, row in samples.items()} == {
        "figure.png": ["lumi", "solo", "boots", "navel", "full body"],
        "upper.png": ["lumi", "solo", "navel", "upper body"],
        "face.png": ["lumi", "solo", "portrait"],
    }
    assert samples["a.png@face.png"]["source"]["detector"] == "lady"
    assert samples["a.png@upper.png"]["unused"] == {"framing": ["boots", "full body"]}
    again = prep("crop", "one", "shots", "--cut", "stages", "--min-side", "48")
    assert "nothing to do" in again.out


def test_without_prep_faces_it_says_what_to_type(looked: Path, prep: Prep) -> None:
    """Nobody looked: each picture is left out with the command; a plain crop asks for none."""
    said = prep("crop", "raw", "plain", "--min-side", "64")
    Path("other").mkdir()
    Path("raw/a.png").rename("other/a.png")
    none = prep("crop", "other", "shots", "--cut", "faces")

    assert said.code == 0
    assert "a.png: nobody looked for faces yet: run `prep faces` on its folder first" in none.out
    assert names("shots") == []


def test_the_crop_of_a_subject_keeps_its_face(looked: Path, prep: Prep) -> None:
    """A wide crop of a tall picture lies over the face, not the middle; nobody: by saliency."""
    faces = prep("why", "a.png", "--in", "raw").out
    box = faces.split("face at ")[1].split(" px")[0].replace(" to ", ",")
    _, top, _, bottom = map(int, box.split(","))
    prep("crop", "raw", "centre", "--aspect-ratio", "3", "--min-side", "32")
    prep("crop", "raw", "subject", "--aspect-ratio", "3", "--min-side", "32", "--focus", "subject")

    told = prep("why", "a.png@crop.png", "--in", "subject").out
    low, high = (
        int(one.split(",")[1]) for one in told.split("cut to ")[1].split(" px")[0].split(" to ")
    )

    assert low <= top
    assert bottom <= high or bottom - top > 100  # as large a part of it as the crop has room for
    assert "b.png@crop.png" in names("subject")
    assert (Path("centre") / "b.png@crop.png").exists()


def test_sides_are_limited_and_nothing_is_enlarged_unless_asked(looked: Path, prep: Prep) -> None:
    """`--max-side` makes smaller; `--min-side` leaves out, and enlarges with `--upscale` alone."""
    prep("crop", "raw", "small", "--max-side", "100", "--min-side", "32")
    out = prep("crop", "raw", "large", "--min-side", "350").out
    prep("crop", "raw", "large", "--min-side", "350", "--upscale")

    assert cut("small/a.png@crop.png").size == (100, 100)
    assert "a.png: its crop is 300x300 px, min_side is 350" in out
    assert cut("large/a.png@crop.png").size == (350, 350)
    told = prep("why", "a.png@crop.png", "--in", "small").out
    assert "resized to 100x100 px" in told


def test_ratios_and_borders(home: Path, prep: Prep) -> None:
    """Each picture gets the ratio that loses least; bars and clear margins are cut away first."""
    Path("raw").mkdir()
    noise = Image.effect_noise((160, 90), 90).convert("RGB")
    bars = Image.new("RGB", (160, 160))
    bars.paste(noise, (0, 35))
    bars.save("raw/bars.png")
    clear = Image.new("RGBA", (120, 200))
    clear.paste(noise.resize((60, 80)), (20, 50))
    clear.save("raw/clear.png")

    code = prep("crop", "raw", "out", "--ratios", "3:4, 16:9", "--trim", "--min-side", "32").code

    assert code == 0
    assert cut("out/bars.png@crop.png").size == (160, 90)
    assert cut("out/bars.png@crop.png").tobytes() == noise.tobytes()
    assert cut("out/clear.png@crop.png").size == (60, 80)


def test_a_persons_own_box_wins(looked: Path, prep: Prep) -> None:
    """Whatever else is asked, `crop_box` is what is cut; one that cannot be is told."""
    place = location_of(Path("raw"), None, None)
    context = Context(all_stages(), Models(looked / "data", offline=True), Console())
    for words in ("10,20,90,80", "10,20,9000,80"):
        with locked_session(Job(place, ()), context) as session, session.ledger.batch():
            session.ledger.edit("a.png", "crop_box", Edit(words, "report.html"))
        said = prep("crop", "raw", "out", "--cut", "faces", "--min-side", "16")
        if words == "10,20,90,80":
            wanted = cut("raw/a.png").crop((10, 20, 90, 80))
            assert cut("out/a.png@crop.png").tobytes() == wanted.tobytes()

    assert said.code == 3
    assert "a.png: its crop box `10,20,9000,80` is no part of 300x420 px" in said.out


def test_a_box_from_the_page_is_compared_three_ways(looked: Path, prep: Prep) -> None:
    """Taken once; the same again is no edit, another one of the same page is a conflict."""
    prep("report", "raw")
    page = Path("raw/report.html").read_text(encoding="utf-8")
    revision = re.findall(r'"key":"a.png","revision":"([^"]+)"', page)[0]

    def imported(box: str) -> Said:
        row = {"key": "a.png", "revision": revision, "cells": {"crop_box": box}}
        told = {"edits_of": "prep report", "version": 1, "pictures": [row]}
        Path("e.json").write_text(json.dumps(told))
        return prep("review", "import", "e.json", "--in", "raw")

    assert "1 cell changed" in imported("10,20,200,300").out
    again, other, wrong = (imported(box) for box in ("10,20,200,300", "0,0,9,9", "9,0,5,9"))
    assert (again.code, "0 cells changed" in again.out) == (0, True)
    assert (other.code, "conflict: a.png: crop_box" in other.out) == (4, True)
    assert wrong.err.startswith("error: `crop_box` of `a.png` is `9,0,5,9`\n")


def test_what_a_person_dropped_is_not_cut(looked: Path, prep: Prep) -> None:
    """Dropped where it lies, it is cut nowhere; what was cut of it goes, and comes back with it."""
    place = location_of(Path("raw"), None, None)
    context = Context(all_stages(), Models(looked / "data", offline=True), Console())

    def dropped(word: str) -> str:
        with locked_session(Job(place, ()), context) as session, session.ledger.batch():
            session.ledger.edit("a.png", "keep", Edit(word, "tags.csv"))
        return prep("crop", "raw", "out", "--min-side", "16").out

    prep("crop", "raw", "out", "--min-side", "16")
    prep("augment", "out", "more")
    gone = dropped("no")
    assert names("out") == ["b.png@crop.png"]
    assert "left out: a.png: dropped in tags.csv" in gone
    assert "2 pictures: 1 good, 1 left out, 0 failed" in gone
    prep("augment", "out", "more")
    assert [name for name in names("more") if name.startswith("a")] == []
    dropped("yes")
    assert names("out") == ["a.png@crop.png", "b.png@crop.png"]


def test_a_shot_of_all_there_is_keeps_its_words(looked: Path, prep: Prep) -> None:
    """Where the figure ends with the picture, its upper body is the picture: nothing is dropped."""
    bust = np.array([[[32, 20, 20, 20, 0.9, 0], [32, 32, 64, 64, 0, 0.9]]]).transpose(0, 2, 1)
    answering(Path("bust.onnx"), bust, "{0: 'face', 1: 'person'}")
    (looked / "one").mkdir()
    with Image.open("raw/a.png") as image:
        image.resize((200, 200)).save("one/a.png")
    shutil.copy("raw/a.txt", "one/a.txt")
    prep("faces", "one", "--model", "bust.onnx")
    prep("crop", "one", "shots", "--cut", "stages", "--min-side", "48")
    prep("edit", "shots", "--trigger", "lumi")
    samples = json.loads(Path("meta.json").read_text())["samples"]
    whole = [row for key, row in samples.items() if cut(f"shots/{key}").size == (200, 200)]

    assert whole
    assert all(row["tags"] == ["lumi", "solo", "boots", "navel", "full body"] for row in whole)


def test_mistakes_are_two_lines(looked: Path, prep: Prep) -> None:
    """A ratio, a detector and a table that cannot be are told before anything is cut."""
    Path("framing.yaml").write_text("portait: {}\n")
    assert prep("crop", "raw", "out", "--ratios", "3:x").err == (
        "error: `ratios` has `3:x`, which is no aspect ratio\n"
        "hint: write width:height or a number from 0.01 to 100, as in `3:4, 1, 16:9`\n"
    )
    assert prep("crop", "raw", "out", "--framing", "framing.yaml").err == (
        "error: `framing.yaml` line 1: no framing is named `portait`\n"
        "hint: did you mean `portrait`?\n"
    )
    both = ("--upscale", "--min-side", "400", "--max-side", "300")
    assert prep("crop", "raw", "out", *both).err == (
        "error: crops are enlarged to 400 px, and made smaller to 300\n"
        "hint: give a max_side that is no smaller than min_side\n"
    )
    assert prep("faces", "raw", "--model", "nudnet").err == (
        "error: no detector is named `nudnet`\nhint: did you mean `nudenet`?\n"
    )
    assert names("out") == []


def test_a_run_from_nothing_gives_the_same_bytes(looked: Path, prep: Prep) -> None:
    """Faces, shots and what draws the eye are found again as they were, with any number of jobs."""
    words = ("--cut", "stages", "--min-side", "48", "--max-side", "90")
    (looked / "again").mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(looked / "raw" / name, looked / "again")
    prep("faces", "again", "--model", "tiny")
    for number, folder in enumerate(("raw", "again")):
        prep("crop", folder, f"shots {folder}", *words, "--jobs", str(1 + 2 * number))
        prep("crop", folder, f"eye {folder}", "--focus", "saliency", "--min-side", "48")

    for kind in ("shots", "eye"):
        first, second = (
            {path.name: path.read_bytes() for path in Path(f"{kind} {folder}").glob("*.png")}
            for folder in ("raw", "again")
        )
        assert first
        assert first == second
