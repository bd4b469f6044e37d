"""Where the crop's box lies, what it cuts out, and when it gives up."""

from typing import Any

import pytest
from PIL import Image

from prep.stage import Derived, Rejected
from prep.stages.crop import Params, crop


def row(image: Image.Image) -> dict[str, Any]:
    """Return what the stage reads of a picture, where nothing but its pixels counts."""
    return {"image": image, "crop_box": None}


def cut(size: tuple[int, int], **params: float) -> Derived:
    """Return the one picture that a crop makes of a picture of that size."""
    found = crop.run(row(Image.new("RGB", size)), Params(**params))  # type: ignore[arg-type]
    assert isinstance(found, list)
    (only,) = found
    return only


@pytest.mark.parametrize(
    ("size", "ratio", "box"),
    [
        ((600, 400), 1.0, (100, 0, 500, 400)),
        ((400, 600), 1.0, (0, 100, 400, 500)),
        ((400, 400), 1.0, (0, 0, 400, 400)),
        ((601, 400), 1.0, (100, 0, 500, 400)),  # 100 px come off the left, 101 off the right
        ((400, 403), 1.0, (0, 1, 400, 401)),  # 1 px comes off the top, 2 off the bottom
        ((600, 400), 0.75, (150, 0, 450, 400)),
        ((600, 400), 1.5, (0, 0, 600, 400)),
        ((600, 400), 3.0, (0, 100, 600, 300)),
    ],
)
def test_the_box_is_centred_and_as_large_as_can_be(
    size: tuple[int, int], ratio: float, box: tuple[int, ...]
) -> None:
    """The crop keeps the picture's scale; an odd pixel comes off the right or the bottom."""
    found = cut(size, aspect_ratio=ratio, min_side=1)

    assert (found.box, found.name, found.flip) == (box, "crop", False)
    assert found.image.size == (box[2] - box[0], box[3] - box[1])


def test_pixels_are_those_of_the_box() -> None:
    """Nothing is resampled: each pixel of the crop is the picture's."""
    image = Image.effect_noise((300, 200), 90).convert("RGB")

    (found,) = crop.run(row(image), Params(min_side=1))

    assert all(
        found.image.getpixel((x, y)) == image.getpixel((x + 50, y))
        for x, y in ((0, 0), (199, 0), (0, 199), (199, 199), (57, 91))
    )


def test_a_small_crop_is_left_out_with_its_size() -> None:
    """A picture whose crop has too short a side is rejected, and the reason names both numbers."""
    image = Image.new("RGB", (900, 255))

    assert crop.run(row(image), Params()) == Rejected("its crop is 255x255 px, min_side is 256")
    assert isinstance(crop.run(row(Image.new("RGB", (900, 256))), Params()), list)


def test_a_sliver_has_a_crop_of_one_pixel() -> None:
    """However thin the picture and whatever the ratio, the box is never empty."""
    assert cut((1, 900), aspect_ratio=0.001, min_side=1).box == (0, 0, 1, 900)
    assert cut((900, 1), aspect_ratio=0.001, min_side=1).box == (449, 0, 450, 1)


def test_several_crops_of_a_picture_share_its_weight() -> None:
    """Two faces give two crops, which weigh a half each; one alone weighs what it ever did."""
    faces = [
        {"box": [20, 20, 120, 120], "kind": "face", "score": 0.9, "detector": "x"},
        {"box": [300, 40, 380, 120], "kind": "face", "score": 0.8, "detector": "x"},
    ]
    whole = row(Image.new("RGB", (500, 300)))
    two = crop.run({**whole, "faces": faces}, Params(cut="faces", min_side=1))
    (one,) = crop.run({**whole, "faces": faces[:1]}, Params(cut="faces", min_side=1))

    assert [found.about["share"] for found in two] == [0.5, 0.5]
    assert "share" not in one.about
