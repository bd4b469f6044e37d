"""ONNX graphs as YOLO's exporters write them: letterbox, answers, suppression, mistakes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from prep.models.locate import Models
from prep.runtime.errors import ModelFileError
from tagger_models.detectors.detected_box import area, shared
from tagger_models.detectors.detection import open_detection
from tagger_models.detectors.known_detectors import DETECTORS, asks, profile
from tagger_models.detectors.yolo import Yolo, open_yolo, suppressed
from tests.tagger_models.detectors.yolo_graphs import answering, red_and_blue, whole_input


def opened(file: Path, **row: object) -> Yolo:
    """Return the detector that a person gets who names the file."""
    return open_yolo(file, replace(profile(str(file)), **row), "cpu", 1)  # type: ignore[arg-type]


def drawn(size: tuple[int, int], *boxes: tuple[str, tuple[int, int, int, int]]) -> Image.Image:
    """Return a white picture with filled boxes, (left, top, right, bottom) px."""
    image = Image.new("RGB", size, "white")
    for colour, (left, top, right, bottom) in boxes:
        ImageDraw.Draw(image).rectangle((left, top, right - 1, bottom - 1), fill=colour)
    return image


@pytest.mark.parametrize("size", [(64, 64), (128, 64), (64, 128), (256, 192)])
def test_what_it_sees_is_told_in_px_of_the_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    """Whatever its shape, a picture's boxes come back from the letterbox to where they are."""
    red_and_blue(tmp_path / "a.onnx", 64)
    cell = max(size) // 8  # px of the picture for a cell of the graph
    top = (max(size) - size[1]) // 2 % cell
    box = (cell, cell - top if top else cell, 2 * cell, 2 * cell - top if top else 2 * cell)
    other = tuple(side + 2 * cell if n % 2 == 0 else side for n, side in enumerate(box))
    image = drawn(size, ("#ff0000", box), ("#0000ff", other))  # type: ignore[arg-type]

    found = opened(tmp_path / "a.onnx").found(image)

    told = {one.kind: tuple(map(round, one.box)) for one in found}
    assert told == {"face": box, "person": other}
    assert all(one.score > 0.5 and one.detector == "a" for one in found)


def test_a_graph_of_open_size_takes_multiples_of_its_stride(tmp_path: Path) -> None:
    """The longer side becomes 640 px, the other one follows: no more is padded than it has to."""
    whole_input(tmp_path / "a.onnx")
    yolo = opened(tmp_path / "a.onnx")

    for size in ((100, 50), (100, 53), (31, 640), (2000, 700)):
        (one,) = yolo.found(Image.new("RGB", size))
        assert tuple(map(round, one.box)) == (0, 0, *size)


def test_nudenets_letterbox_is_black_and_at_the_top_left(tmp_path: Path) -> None:
    """Its row says so, and so it is fed: else its boxes would lie elsewhere."""
    red_and_blue(tmp_path / "a.onnx", 64)
    row = DETECTORS["nudenet"]
    yolo = opened(tmp_path / "a.onnx", pad=row.pad, centred=row.centred)
    image = drawn((64, 32), ("#ff0000", (8, 8, 16, 16)))

    canvas, _, place = yolo._letterboxed(image)

    assert place == (0, 0)
    assert canvas.getpixel((5, 60)) == (0, 0, 0)
    assert [tuple(map(round, one.box)) for one in yolo.found(image)] == [(8, 8, 16, 16)]


FACE = [10, 20, 30, 60]  # left, top, right, bottom
MIDDLE = [20, 40, 20, 40]  # the same as middle and sides


@pytest.mark.parametrize(
    ("answers", "names", "score"),
    [
        (np.array([[[*MIDDLE, 0.8, 0.1]] * 12]).transpose(0, 2, 1), "{0: 'face', 1: 'cat'}", 0.8),
        (np.array([[[*MIDDLE, 0.5, 0.8, 0.1]] * 12]), "{0: 'face', 1: 'cat'}", 0.4),
        (np.array([[[*FACE, 0.7, 0], [*FACE, 0.9, 1]] * 6]), "{0: 'face', 1: 'cat'}", 0.7),
        (np.array([[[*MIDDLE, 0.5, 0.9]] * 1100]), "{0: 'face'}", 0.45),
    ],
    ids=["v8", "v5", "v10", "v5 of one class"],
)
def test_each_form_of_answers_is_read(
    tmp_path: Path, answers: object, names: str, score: float
) -> None:
    """Channels first, with objectness, or suppressed already: one face at one place."""
    answering(tmp_path / "a.onnx", answers, names)

    (one,) = opened(tmp_path / "a.onnx").found(Image.new("RGB", (64, 64)))

    assert (one.kind, tuple(one.box)) == ("face", tuple(FACE))
    assert one.score == pytest.approx(score, abs=1e-6)


def test_suppression_is_that_of_the_definition() -> None:
    """Of boxes of a kind that share more than the overlap, the likeliest stays; kinds are apart."""
    dice = np.random.default_rng(3)
    corners = dice.uniform(0, 80, (60, 2))
    boxes = np.concatenate([corners, corners + dice.uniform(8, 40, (60, 2))], axis=1)
    scores, kinds = dice.uniform(0, 1, 60), dice.choice(["face", "head"], 60)

    def union(one: int, other: int) -> float:
        common = shared(boxes[one], boxes[other])
        return common / (area(boxes[one]) + area(boxes[other]) - common)

    wanted: list[int] = []
    for n in sorted(range(60), key=lambda one: -scores[one]):
        if not any(kinds[n] == kinds[m] and union(n, m) > 0.4 for m in wanted):
            wanted.append(n)

    assert suppressed(boxes, scores, kinds, 0.4) == wanted
    assert 10 < len(wanted) < 60


def test_mistakes_are_two_lines(tmp_path: Path) -> None:
    """A graph that finds nothing of use, answers in another form, or is none, says what it is."""
    red_and_blue(tmp_path / "cats.onnx", 64, names="{0: 'cat', 1: 'dog'}")
    answering(tmp_path / "tagger.onnx", np.zeros((1, 7)), "{0: 'face'}")
    (tmp_path / "no.onnx").write_bytes(b"no")
    hint = "is it really a YOLO that was exported to ONNX? name another detector"

    with pytest.raises(ModelFileError) as cats:
        opened(tmp_path / "cats.onnx")
    with pytest.raises(ModelFileError) as tagger:
        opened(tmp_path / "tagger.onnx").found(Image.new("RGB", (9, 9)))
    with pytest.raises(ModelFileError):
        opened(tmp_path / "no.onnx")

    cat = f"`{tmp_path / 'cats.onnx'}` finds no faces, heads or persons: only cat, dog"
    assert (str(cats.value), cats.value.hint) == (cat, hint)
    told = f"`{tmp_path / 'tagger.onnx'}` answers with 1x7 numbers, as no YOLO does"
    assert (str(tagger.value), tagger.value.hint) == (told, hint)


def test_a_second_detector_finds_what_the_first_missed(tmp_path: Path) -> None:
    """What both find is told once, by the first; the largest stands first."""
    red_and_blue(tmp_path / "one.onnx", 64, names="{0: 'face', 1: 'cat'}")
    red_and_blue(tmp_path / "two.onnx", 64, names="{0: 'face', 1: 'face'}")
    listed = f"{tmp_path / 'one.onnx'}, {tmp_path / 'two.onnx'}"
    models = Models(tmp_path / "home", offline=True)
    image = drawn((64, 64), ("#ff0000", (8, 8, 16, 16)), ("#0000ff", (32, 32, 40, 40)))

    detection = open_detection(listed, [models.find(ask) for ask in asks(listed)], 0.0, "cpu", 1)

    assert [(one["box"], one["detector"]) for one in detection.found(image, (128, 128))] == [
        ([16, 16, 32, 32], "one"), ([64, 64, 80, 80], "two")
    ]  # fmt: skip
