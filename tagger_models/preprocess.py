"""Upright RGB pictures -> the array a tagger wants, to the byte.

Source: `prepare_image` in `app.py` of the hub space SmilingWolf/wd-tagger: pad to a centred
square, resize once, reverse the colours. Padding first matters; squashing the picture instead
changes it by 27 % of the range.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from tagger_models.registry import Profile

_AXES = {"NHWC": (0, 1, 2, 3), "NCHW": (0, 3, 1, 2)}
_CHANNELS = {"RGB": slice(None), "BGR": slice(None, None, -1)}


def square(image: "Image.Image", size: int, row: "Profile") -> "Image.Image":
    """Return the image padded to a centred square of `row.pad`, then resized to `size` px.

    An odd pixel of border goes right or below. A square of the right size is not resampled.
    """
    from PIL import Image

    width, height = image.size
    side = max(width, height)
    canvas = Image.new("RGB", (side, side), row.pad)
    canvas.paste(image, ((side - width) // 2, (side - height) // 2))
    if side == size:
        return canvas
    return canvas.resize((size, size), Image.Resampling[row.resize])


def prepared(images: Sequence["Image.Image"], size: int, row: "Profile") -> "np.ndarray":
    """Return the input for the images, float32 in [row.low, row.high], C-contiguous.

    The shape is (N, size, size, 3) for the layout NHWC, (N, 3, size, size) for NCHW.

    Args:
        images: Upright, RGB, transparency already composited; any size.
        size: Side of the tagger's input, px.
        row: Padding, filter, colour order, range and layout.

    Raises:
        ValueError: An image is not RGB; turning it into RGB is the caller's choice to make.
    """
    import numpy as np

    if wrong := [image.mode for image in images if image.mode != "RGB"]:
        msg = f"a tagger wants RGB images, not {wrong[0]}"
        raise ValueError(msg)
    pixels = np.zeros((len(images), size, size, 3), np.float32)
    for place, image in enumerate(images):
        pixels[place] = np.asarray(square(image, size, row))
    pixels = pixels[..., _CHANNELS[row.order]]
    if (row.low, row.high) != (0.0, 255.0):  # 0..255 stays the integers that were in the picture
        pixels = pixels / np.float32(255) * np.float32(row.high - row.low) + np.float32(row.low)
    return np.ascontiguousarray(pixels.transpose(_AXES[row.layout]))
