"""What augment adds to a picture."""

import numpy as np
from PIL import Image

from prep.stage import Derived
from prep.stages.augment import Params, augment


def test_the_original_and_its_mirror_image() -> None:
    """The original is passed on as its file; the other is mirrored left to right, and says so."""
    image = Image.effect_noise((40, 30), 90).convert("RGB")

    original, mirrored = augment.run(image, Params())

    assert original == Derived("", None, (0, 0, 40, 30))
    assert (mirrored.name, mirrored.box, mirrored.flip) == ("flip", (0, 0, 40, 30), True)
    assert np.array_equal(np.asarray(mirrored.image), np.asarray(image)[:, ::-1])


def test_without_flips_only_originals() -> None:
    """For an asymmetric subject the mirror images are turned off."""
    assert augment.run(Image.new("RGB", (4, 3)), Params(flip=False)) == [
        Derived("", None, (0, 0, 4, 3))
    ]
