"""Upright RGB pictures -> the array a tagger wants, to the byte.

Padding first, resizing once, matters: squashing the picture instead changes it by 27 % of the
range. What a tagger wants is in its row; the steps to its square are done by `prep.images.fitting`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from tagger_models.profiles.profile import Profile

_AXES = {"NHWC": (0, 1, 2, 3), "NCHW": (0, 3, 1, 2)}
_CHANNELS = {"RGB": slice(None), "BGR": slice(None, None, -1)}


def stacked(squares: Sequence["Image.Image"], size: int, row: "Profile") -> "np.ndarray":
    """Return a tagger's input, float32, C-contiguous.

    The shape is (N, size, size, 3) for the layout NHWC, (N, 3, size, size) for NCHW. The values
    are those of the row: low to high, then less mean, divided by std.

    Args:
        squares: Pictures that went through the row's steps.
        size: Side of the tagger's input, px.
        row: Colour order, range and layout.

    Raises:
        ValueError: A picture is not RGB, or not size x size px.
    """
    import numpy as np

    pixels = np.zeros((len(squares), size, size, 3), np.uint8)
    for place, image in enumerate(squares):
        if image.mode != "RGB" or image.size != (size, size):
            msg = f"a fitted picture is RGB, {size}x{size} px, not {image.mode} {image.size}"
            raise ValueError(msg)
        pixels[place] = np.asarray(image)
    ordered = pixels[..., _CHANNELS[row.order]].transpose(_AXES[row.layout])
    values = np.ascontiguousarray(ordered, np.float32)
    if (row.low, row.high) != (0.0, 255.0):  # 0..255 stays the integers that were in the picture
        values /= np.float32(255)
        if (row.low, row.high) != (0.0, 1.0):
            values = values * np.float32(row.high - row.low) + np.float32(row.low)
    if (row.mean, row.std) != ((0.0,) * 3, (1.0,) * 3):
        wide = [1, 1, 1, 1]
        wide[_AXES[row.layout].index(3)] = 3
        values -= np.array(row.mean, np.float32)[_CHANNELS[row.order]].reshape(wide)
        values /= np.array(row.std, np.float32)[_CHANNELS[row.order]].reshape(wide)
    return values
