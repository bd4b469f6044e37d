import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from prep.images.fitting import PAD, SQUARE, Resize, fitted, sized
from tagger_models.onnx.preprocess import stacked
from tagger_models.profiles.profile import Profile
from tagger_models.profiles.wd import WD

BLACK = (Resize(PAD, colour=(0, 0, 0)), Resize(SQUARE, "BICUBIC"))


def prepared(images: list[Image.Image], size: int, row: Profile) -> np.ndarray:
    """Return the input for whole pictures, which are fitted first."""
    return stacked([fitted(image, sized(row.fit, size)) for image in images], size, row)


def space_recipe(image: Image.Image, size: int) -> np.ndarray:
    """Return the WD input computed another way: pad with numpy, resize, flip."""
    pixels = np.asarray(image)
    height, width, _ = pixels.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    rest = ((top, side - height - top), (left, side - width - left), (0, 0))
    padded = Image.fromarray(np.pad(pixels, rest, constant_values=255))
    resized = padded if side == size else padded.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(resized)[:, :, ::-1].astype(np.float32)


def bicubic(line: np.ndarray, size: int) -> np.ndarray:
    """Resample axis 0 with the cubic kernel a = -0.5, widened when shrinking; float64."""
    scale = len(line) / size
    wide = max(scale, 1.0)
    out = []
    for place in range(size):
        centre = (place + 0.5) * scale
        low, high = (
            max(0, int(centre - 2 * wide + 0.5)),
            min(len(line), int(centre + 2 * wide + 0.5)),
        )
        at = [abs((x + 0.5 - centre) / wide) for x in range(low, high)]
        weights = np.array(
            [
                1.5 * x**3 - 2.5 * x**2 + 1
                if x < 1
                else -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
                if x < 2
                else 0.0
                for x in at
            ]
        )
        out.append(np.tensordot(weights / math.fsum(weights), line[low:high], axes=1))
    return np.array(out)


def test_the_input_is_the_space_recipe_to_the_byte(pictures: list[Image.Image]) -> None:
    """Wide, tall, square and tiny pictures, larger or smaller, equal the reference."""
    for size in (4, 11):
        found = prepared(pictures, size, WD)

        assert found.dtype == np.float32
        assert found.flags.c_contiguous
        assert found.shape == (5, size, size, 3)
        for row, image in zip(found, pictures, strict=True):
            assert row.tobytes() == space_recipe(image, size).tobytes()


def test_a_wide_picture_by_hand() -> None:
    """Red beside blue becomes BGR, the odd line of white below, nothing resampled."""
    image = Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255]]], dtype=np.uint8))

    assert prepared([image], 2, WD).tolist() == [
        [[[0, 0, 255], [255, 0, 0]], [[255, 255, 255], [255, 255, 255]]]
    ]


def test_the_filter_is_one_antialiased_bicubic(pictures: list[Image.Image]) -> None:
    """The resized square is within one level of the cubic kernel written out in float64."""
    for image in pictures[:3]:
        padded = np.asarray(fitted(image, WD.fit[:1])).astype(float)
        both = bicubic(bicubic(padded, 6).transpose(1, 0, 2), 6).transpose(1, 0, 2)

        found = np.asarray(fitted(image, sized(WD.fit, 6))).astype(float)

        # Pillow rounds and clips between the two passes, so a level may be lost in each.
        assert np.abs(found - both.clip(0, 255)).mean() < 1.0
        assert np.median(np.abs(found - both.clip(0, 255))) <= 0.5


def test_other_rows_are_obeyed(pictures: list[Image.Image]) -> None:
    """Channels first, RGB, -1 to 1 and a black border come from the row, not from code."""
    row = replace(WD, layout="NCHW", order="RGB", low=-1.0, high=1.0, fit=BLACK)
    image = Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255]]], dtype=np.uint8))

    assert prepared([image], 2, row).tolist() == [
        [[[1, -1], [-1, -1]], [[-1, -1], [-1, -1]], [[-1, 1], [-1, -1]]]
    ]
    assert prepared(pictures, 4, row).flags.c_contiguous


def test_no_pictures_are_an_empty_batch() -> None:
    """A batch of nothing has the shape of a batch."""
    assert prepared([], 4, WD).shape == (0, 4, 4, 3)


def test_transparency_is_not_guessed() -> None:
    """A picture that is not RGB is the caller's bug, never converted behind its back."""
    with pytest.raises(ValueError, match="a fitted picture is RGB, 2x2 px, not RGBA"):
        stacked([Image.new("RGBA", (2, 2))], 2, WD)
