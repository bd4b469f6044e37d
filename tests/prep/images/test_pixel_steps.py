"""What the steps of a derived picture do to its pixels."""

import numpy as np
import pytest
from PIL import Image

from prep.images import fitting, pixel_steps
from prep.images.pixel_steps import CUT, MIRROR, SIZE, TURN, PixelStep

DRAWN = Image.effect_noise((60, 40), 90).convert("RGB")


def test_cut_and_mirror_are_those_of_an_array() -> None:
    """Cutting and mirroring move pixels and change none; the picture itself stays as it is."""
    before = DRAWN.tobytes()
    steps = pixel_steps.steps_of((10, 5, 41, 39), flip=True)

    found = np.asarray(pixel_steps.done(DRAWN, steps))

    assert np.array_equal(found, np.asarray(DRAWN)[5:39, 10:41][:, ::-1])
    assert np.array_equal(
        np.asarray(pixel_steps.done(DRAWN, [PixelStep(MIRROR)])), np.asarray(DRAWN)[:, ::-1]
    )
    assert DRAWN.tobytes() == before


def test_a_quarter_turn_is_that_of_an_array() -> None:
    """Degrees count against the clock, about the middle of the box."""
    step = PixelStep(TURN, (10, 0, 50, 40, 90))

    found = np.asarray(pixel_steps.done(DRAWN, [step])).astype(int)

    assert np.abs(found - np.rot90(np.asarray(DRAWN)[:, 10:50]).astype(int)).max() <= 1


@pytest.mark.parametrize("degrees", [-7.5, 3.0])
def test_a_turned_box_is_the_box_of_the_turned_picture(degrees: float) -> None:
    """It is what Pillow gives that turns the whole picture first, but for rounding."""
    step = PixelStep(TURN, (12, 8, 48, 32, degrees))
    whole = DRAWN.rotate(degrees, Image.Resampling.BICUBIC, center=(30, 20))

    found = np.asarray(pixel_steps.done(DRAWN, [step])).astype(int)

    assert np.abs(found - np.asarray(whole.crop((12, 8, 48, 32))).astype(int)).max() <= 1


def test_what_lies_outside_is_white_and_of_a_mask_black() -> None:
    """A box that a turn takes out of the picture shows the colour that other rules lay under it."""
    step = PixelStep(TURN, (0, 0, 60, 40, 45))
    white = Image.new("RGB", (60, 40), "white")

    assert pixel_steps.done(white, [step]).getpixel((0, 0)) == (255, 255, 255)
    assert fitting.fitted(white, [step]).getpixel((0, 0)) == (0, 0, 0)


def test_a_size_is_reached_by_lanczos_and_known_before() -> None:
    """The size after all steps is told without a pixel, for masks as well."""
    steps = [PixelStep(CUT, (0, 0, 40, 40)), PixelStep(SIZE, (20, 24)), PixelStep(MIRROR)]
    wanted = DRAWN.crop((0, 0, 40, 40)).resize((20, 24), Image.Resampling.LANCZOS)

    found = pixel_steps.done(DRAWN, steps)

    assert np.array_equal(np.asarray(found), np.asarray(wanted)[:, ::-1])
    assert pixel_steps.size_after(DRAWN.size, steps) == found.size == (20, 24)
    assert fitting.pixels_after(DRAWN.size, steps) == 20 * 24


def test_steps_in_words() -> None:
    """A person reads where the box lies, by how much it was turned, and what it was made."""
    steps = [PixelStep(TURN, (1, 2, 30, 40, -3.5)), PixelStep(SIZE, (64, 96)), PixelStep(MIRROR)]

    assert pixel_steps.sentence(steps) == (
        "turned by -3.5 degrees and cut to 1,2 to 30,40 px, resized to 64x96 px, mirrored"
    )
