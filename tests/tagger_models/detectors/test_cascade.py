"""Cascades of OpenCV: an optional package, and the boxes of the anime cascade's oracle."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from prep.images.picture_file import opened
from prep.runtime.errors import MachineError, ModelFileError
from tagger_models.detectors.cascade import open_cascade
from tagger_models.detectors.detected_box import DetectedBox, merged
from tagger_models.detectors.known_detectors import ANIME_FACE, DETECTORS

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"
CASCADE = SHARED / "lbpcascade-animeface" / "lbpcascade_animeface.xml"
HINT = '`pip install "opencv-python-headless<5"`'


def test_without_opencv_it_is_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint is the command that installs it; OpenCV 5 has no cascades, and is told as such."""
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MachineError) as absent:
        open_cascade(CASCADE, ANIME_FACE)
    new = ModuleType("cv2")
    new.__version__ = "5.0.0"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cv2", new)
    with pytest.raises(MachineError) as plain:
        open_cascade(CASCADE, ANIME_FACE)

    needs = "the detector `anime-face` needs OpenCV, which is not installed"
    assert (str(absent.value), absent.value.hint) == (needs, f"install it: {HINT}")
    none = "OpenCV 5.0.0 has no cascades, which the detector `anime-face` needs"
    assert (str(plain.value), plain.value.hint) == (none, f"install one that has: {HINT}")


def test_the_boxes_are_the_oracles() -> None:
    """On the sprites every box is that which OpenCV alone found; the backgrounds have no face."""
    pytest.importorskip("cv2", reason="OpenCV is not installed: the extra `faces`")
    if not CASCADE.exists():
        pytest.skip("there is no ../shared with the cascade and the sprites")
    sprites = SHARED / "renpy-sprites"
    wanted = json.loads((sprites / "expected_faces.json").read_text())["faces"]
    cascade = open_cascade(CASCADE, ANIME_FACE)

    for name, boxes in wanted.items():
        found = merged([cascade.found(opened(sprites / name).image)])
        told = [[left, top, right - left, bottom - top] for left, top, right, bottom in
                (map(int, one.box) for one in found)]  # fmt: skip
        assert told == boxes, name
        assert all(one.score >= 0.5 for one in found)


def test_opencvs_own_cascades_are_those_of_its_package(tmp_path: Path) -> None:
    """They are found in the package, and a file that is none of them is told as such."""
    pytest.importorskip("cv2", reason="OpenCV is not installed: the extra `faces`")
    from prep.models.locate import Models
    from tagger_models.detectors.known_detectors import ask

    models = Models(tmp_path, offline=True)
    for name in ("frontal-face", "profile-face", "upper-body", "full-body", "eyes"):
        found = models.find(ask(name))
        assert (
            open_cascade(found.files[0][0], DETECTORS[name]).found(Image.new("RGB", (9, 9))) == []
        )
    (tmp_path / "no.xml").write_text("<no/>")
    with pytest.raises(ModelFileError, match="is not a cascade of OpenCV"):
        open_cascade(tmp_path / "no.xml", ANIME_FACE)


def test_of_two_that_show_the_same_the_first_stays() -> None:
    """A tight box in a loose one is the same face; another kind, or one beside it, is not."""
    loose = DetectedBox((0, 0, 100, 100), "face", 0.5, "one")
    tight = DetectedBox((30, 30, 80, 80), "face", 0.9, "two")
    head = DetectedBox((30, 30, 80, 80), "head", 0.9, "two")
    beside = DetectedBox((95, 0, 300, 150), "face", 0.9, "two")

    assert merged([[loose], [tight, head, beside]]) == [beside, loose, head]
