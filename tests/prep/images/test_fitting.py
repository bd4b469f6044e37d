import json

import numpy as np
import pytest
from PIL import Image

from prep.images.fitting import (
    AT_MOST,
    GREY,
    PAD,
    SHORTER,
    SIDES,
    SQUARE,
    THUMBNAIL,
    WITHIN,
    Resize,
    fitted,
    pixels_after,
    sized,
)  # fmt: skip


def noise(width: int, height: int) -> Image.Image:
    """Return a picture of random pixels."""
    random = np.random.default_rng(width * 1000 + height)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", [(13, 6), (6, 13), (7, 2), (1, 2), (5, 5)])
@pytest.mark.parametrize("colour", [(255, 255, 255), (1, 2, 3), None])
def test_a_border_makes_a_square(
    size: tuple[int, int], colour: tuple[int, int, int] | None
) -> None:
    """The picture is in the middle, an odd pixel right or below; `None` repeats its edges."""
    image = noise(*size)
    side, pixels = max(size), np.asarray(image)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2

    found = np.asarray(fitted(image, [Resize(PAD, colour=colour)]))

    for y in range(side):
        for x in range(side):
            inside = 0 <= y - top < size[1] and 0 <= x - left < size[0]
            near = pixels[np.clip(y - top, 0, size[1] - 1), np.clip(x - left, 0, size[0] - 1)]
            wanted = near if inside or colour is None else colour
            assert found[y, x].tolist() == list(wanted), (x, y)


@pytest.mark.parametrize(
    ("size", "wanted"), [((13, 6), (8, 3)), ((6, 13), (3, 8)), ((3, 3), (8, 8)), ((90, 1), (8, 1))]
)
def test_the_longer_side_leads(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    """`within` keeps the aspect, rounds the shorter side down and leaves at least a pixel."""
    image = noise(*size)

    found = fitted(image, [Resize(WITHIN, "LANCZOS", size=8)])

    assert found.size == wanted
    assert found.tobytes() == image.resize(wanted, Image.Resampling.LANCZOS).tobytes()


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((13, 26), (8, 16)),
        ((26, 13), (16, 8)),
        ((9, 14), (8, 12)),
        ((5, 9), (5, 9)),
        ((9, 8), (9, 8)),
    ],
)
def test_the_shorter_side_leads(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    """`shorter` keeps the aspect, rounds the longer side down, and makes none larger."""
    image = noise(*size)

    found = fitted(image, [Resize(SHORTER, "BICUBIC", size=8)])

    assert found.size == wanted
    assert found.tobytes() == image.resize(wanted, Image.Resampling.BICUBIC).tobytes()


@pytest.mark.parametrize(
    ("size", "wanted"), [((13, 6), (8, 4)), ((5, 16), (2, 8)), ((8, 3), (8, 3)), ((90, 1), (8, 1))]
)
def test_the_longer_side_has_a_most(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    """`at most` makes a larger picture smaller, the other side rounded to the nearest."""
    image = noise(*size)

    found = fitted(image, [Resize(AT_MOST, "LANCZOS", size=8)])

    assert found.size == wanted
    assert found.tobytes() == image.resize(wanted, Image.Resampling.LANCZOS).tobytes()


@pytest.mark.parametrize("name", ["NEAREST", "BOX", "BILINEAR", "HAMMING", "BICUBIC", "LANCZOS"])
def test_a_squashed_picture(name: str) -> None:
    """`square` takes both sides to the size, by the filter that was named."""
    image = noise(9, 4)

    found = fitted(image, [Resize(SQUARE, name, size=5)])

    assert found.tobytes() == image.resize((5, 5), Image.Resampling[name]).tobytes()


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    """No step touches the pixels of a square that has its size already."""
    image = noise(6, 6)
    steps = [
        Resize(PAD, colour=(0, 0, 0)),
        Resize(WITHIN, "BOX", size=6),
        Resize(SQUARE, "BOX", size=6),
    ]

    assert fitted(image, steps) is image
    assert fitted(image, []) is image


def test_steps_are_done_in_order() -> None:
    """Padding first and resizing first are two pictures."""
    image = noise(12, 4)
    pad, shrink = Resize(PAD, colour=(255, 255, 255)), Resize(WITHIN, "BICUBIC", size=6)

    first, last = fitted(image, [pad, shrink]), fitted(image, [shrink, pad])

    assert first.size == last.size == (6, 6)
    assert first.tobytes() != last.tobytes()


def test_an_open_size_is_the_models() -> None:
    """A step without a size takes the model's; JSON keeps a step as it is."""
    steps = (Resize(WITHIN, "BOX", size=9), Resize(PAD, colour=None), Resize(SQUARE, "BOX"))

    whole = sized(steps, 4)

    assert [step.size for step in whole] == [9, 4, 4]
    again = json.loads(json.dumps(whole))
    assert fitted(noise(7, 3), again).tobytes() == fitted(noise(7, 3), whole).tobytes()


@pytest.mark.parametrize("size", [(60, 40), (40, 60), (7, 300), (1, 1)])
def test_how_large_a_result_is_is_known_before(size: tuple[int, int]) -> None:
    """No step leaves more pixels than are counted for it before a pixel is read."""
    every: list[Resize] = [
        Resize(PAD, colour=(1, 2, 3)), Resize(SQUARE, "BOX", size=9), Resize(GREY),
        Resize(WITHIN, "BOX", size=50), Resize(SHORTER, "BOX", size=5),
        Resize(AT_MOST, "BOX", size=30), Resize(THUMBNAIL, size=20),
        Resize(SIDES, "BOX", size=(30, 90)),
    ]  # fmt: skip
    for steps in [[], *([one] for one in every), every[:1] + every[3:4], every[6:]]:
        width, height = fitted(Image.new("RGB", size), steps).size
        counted = pixels_after(size, steps)
        assert width * height <= counted <= max(width * height, size[0] * size[1])
