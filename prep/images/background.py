"""Another background where a picture is transparent."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

_BAND_PIXELS = 1 << 20


def replaced(image: "Image.Image", alpha: "Image.Image", value: Sequence[Any]) -> "Image.Image":
    """Return a picture that lies on white, on another background.

    Args:
        image: RGB, on white.
        alpha: Its alpha as grey RGB, white where it is opaque, of the same size.
        value: One colour (red, green, blue) for all of it; or two of them and the degrees, against
            the clock from the right, in which the first turns into the second.
    """
    import numpy as np
    from PIL import Image

    found = Image.new("RGB", image.size)
    width, height = image.size
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        box = (0, top, width, min(height, top + rows))
        clear = 1 - np.asarray(alpha.crop(box), np.float32)[..., :1] / np.float32(255)
        behind = _behind(image.size, range(top, box[3]), value)
        levels = np.asarray(image.crop(box), np.float32) + clear * (behind - np.float32(255))
        found.paste(Image.fromarray(np.rint(levels.clip(0, 255)).astype(np.uint8)), box)
    return found


def _behind(size: tuple[int, int], rows: range, value: Sequence[Any]) -> "np.ndarray[Any, Any]":
    """Return some rows of a background: float32 levels, (rows, width, 3), or what stands for it."""
    import numpy as np

    first = np.array(value[0], np.float32)
    if len(value) == 1:
        return first
    second, angle = np.array(value[1], np.float32), math.radians(value[2])
    x = (np.arange(size[0], dtype=np.float32) + 0.5) / size[0] - 0.5
    y = 0.5 - (np.array(rows, np.float32) + 0.5) / size[1]
    along = x[None] * np.float32(math.cos(angle)) + y[:, None] * np.float32(math.sin(angle))
    part = (along / (abs(math.cos(angle)) + abs(math.sin(angle))) + 0.5)[..., None]
    return (first + part * (second - first)).astype(np.float32)
