"""Boxes: the ratio that loses least, windows that cut nothing, borders, saliency, level eyes."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from prep.framing import level, ratios, saliency, trim
from prep.images import placement
from prep.runtime.errors import ConfigError


def test_ratios_are_read_as_a_person_writes_them() -> None:
    """Colons and numbers, in a list; what is no ratio is told with the word."""
    assert ratios.ratios_of("3:4, 1,16:9, 0.5") == (0.75, 1.0, 16 / 9, 0.5)
    assert ratios.ratios_of("") == ()
    for wrong in ("3:0", "abc", "-1", "1:2:3", "1000"):
        with pytest.raises(ConfigError) as told:
            ratios.ratios_of(f"1, {wrong}")
        assert str(told.value) == f"`ratios` has `{wrong}`, which is no aspect ratio"


@pytest.mark.parametrize(
    ("size", "best"), [((600, 800), 0.75), ((810, 800), 1.0), ((800, 600), 4 / 3), ((900, 200), 2)]
)
def test_the_ratio_that_loses_least(size: tuple[int, int], best: float) -> None:
    """Each picture gets the ratio of the list that keeps most of it."""
    assert ratios.least_loss(size, (0.75, 1.0, 4 / 3, 2)) == best


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    length=st.integers(4, 30),
    share=st.floats(0.1, 1),
    preferred=st.integers(-5, 35),
    spans=st.lists(st.tuples(st.integers(0, 28), st.integers(1, 9)), max_size=3),
)
def test_a_window_keeps_the_most_important_spans(
    length: int, share: float, preferred: int, spans: list[tuple[int, int]]
) -> None:
    """Of all places, one that keeps the first span it can, then the next, nearest to preferred."""
    window = max(1, int(share * length))
    marked = [(begin, min(length, begin + wide)) for begin, wide in spans if begin < length]

    def rank(place: int) -> tuple[object, ...]:
        kept = [place <= begin and end <= place + window for begin, end in marked]
        return ([not one for one in kept], abs(place - preferred))

    best = min(range(length - window + 1), key=rank)

    found = placement.offset(length, window, preferred, marked)
    assert 0 <= found <= length - window
    assert rank(found) == rank(best)


def test_a_box_grows_to_a_ratio_within_the_picture() -> None:
    """It holds what it held, where there is room; where there is none, the bottom goes."""
    assert ratios.grown((40, 40, 60, 80), 1.0, (200, 200)) == (30, 40, 70, 80)
    assert ratios.grown((0, 0, 20, 40), 2.0, (200, 200)) == (0, 0, 80, 40)
    assert ratios.grown((0, 0, 100, 300), 1.0, (120, 300)) == (0, 0, 120, 120)


def bordered(inner: tuple[int, int, int, int], colour: str, size: tuple[int, int]) -> Image.Image:
    """Return noise within a border."""
    left, top, right, bottom = inner
    image = Image.new("RGB", size, colour)
    noise = Image.effect_noise((right - left, bottom - top), 90).convert("RGB")
    image.paste(noise, (left, top))
    return image


@pytest.mark.parametrize(
    "inner", [(0, 20, 100, 60), (10, 0, 90, 80), (5, 7, 93, 71), (0, 0, 100, 80), (0, 30, 100, 80)]
)
@pytest.mark.parametrize("colour", ["black", "white", "#303540"])
def test_borders_and_bars_are_found_to_the_pixel(
    inner: tuple[int, int, int, int], colour: str
) -> None:
    """A frame, letterbox bars, a bar on one side: what is left is what is not plain."""
    image = bordered(inner, colour, (100, 80))

    assert trim.content(image, (100, 80)) == inner
    large = image.resize((400, 320), Image.Resampling.NEAREST)
    left, top, right, bottom = trim.content(image, (400, 320))
    whole = np.asarray(large)[top:bottom, left:right]
    scaled = tuple(4 * side for side in inner)
    assert all(abs(a - b) <= 8 for a, b in zip((left, top, right, bottom), scaled, strict=True))
    assert left >= scaled[0]
    assert bottom <= scaled[3]
    assert whole.size


def test_a_plain_picture_has_no_border() -> None:
    """One that is of one colour all over, or nearly, stays as it is."""
    flat = Image.new("RGB", (64, 48), "navy")
    dot = flat.copy()
    ImageDraw.Draw(dot).point((30, 20), "white")

    assert trim.content(flat, (64, 48)) == (0, 0, 64, 48)
    assert trim.content(dot, (64, 48)) == (0, 0, 64, 48)


@pytest.mark.parametrize("place", [(20, 30), (200, 60), (120, 90)])
def test_what_stands_out_draws_the_eye(place: tuple[int, int]) -> None:
    """The window lies over the only thing that differs from its ground."""
    image = Image.effect_noise((256, 128), 12).convert("RGB")
    ImageDraw.Draw(image).ellipse((*place, place[0] + 24, place[1] + 24), "red")

    left, _ = saliency.window_at(image, (512, 256), (256, 256))

    assert left <= 2 * place[0]
    assert 2 * place[0] + 48 <= left + 256
    assert saliency.saliency(image).sum() == pytest.approx(1)
    assert saliency.window_at(Image.new("RGB", (64, 64)), (64, 64), (64, 32)) == (0.0, 16.0)


def eye(x: int, y: int) -> dict[str, object]:
    return {"box": [x - 4, y - 4, x + 4, y + 4], "kind": "eye", "score": 1.0, "detector": "a"}


def test_a_face_leans_by_the_line_through_its_eyes() -> None:
    """Turned by that, both eyes are level; one eye, three, level or wild ones turn nothing."""
    face = (0, 0, 100, 100)
    slanted = [eye(30, 30), eye(70, 40)]

    degrees = level.lean(face, slanted)
    assert degrees == pytest.approx(math.degrees(math.atan2(10, 40)), abs=0.01)

    image = Image.new("RGB", (100, 100), "white")
    for x, y in ((30, 30), (70, 40)):
        ImageDraw.Draw(image).ellipse((x - 4, y - 4, x + 4, y + 4), "black")
    turned = 255 - np.asarray(image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor="white"))
    rows = [np.average(np.arange(100), weights=half.sum((1, 2)).astype(float))
            for half in (turned[:, :50], turned[:, 50:])]  # fmt: skip
    assert rows[0] == pytest.approx(rows[1], abs=0.5)

    for none in ([], slanted[:1], [*slanted, eye(50, 30)], [eye(30, 30), eye(70, 30)],
                 [eye(45, 20), eye(55, 60)], [eye(30, 90), eye(70, 95)]):  # fmt: skip
        assert level.lean(face, none) == 0.0


@pytest.mark.parametrize("box", [(0, 0, 60, 40), (10, 5, 50, 35), (20, 10, 40, 30)])
@pytest.mark.parametrize("degrees", [5.0, -20.0])
def test_a_turned_box_shows_nothing_outside(box: tuple[int, int, int, int], degrees: float) -> None:
    """Its corners lie within the picture, and its ratio is what it was, but for whole px."""
    left, top, right, bottom = level.turned_within(box, degrees, (60, 40))
    x, y = (left + right) / 2, (top + bottom) / 2
    angle = math.radians(degrees)
    for across, down in itertools.product((left - x, right - x), (top - y, bottom - y)):
        turned = (
            x + across * math.cos(angle) - down * math.sin(angle),
            y + across * math.sin(angle) + down * math.cos(angle),
        )
        assert -1.0 <= turned[0] <= 61.0
        assert -1.0 <= turned[1] <= 41.0
    wanted = (box[2] - box[0]) / (box[3] - box[1])
    assert (right - left) / (bottom - top) == pytest.approx(wanted, rel=0.08)
