"""Light and colours of a picture moved as light moves: sums and products of linear light.

The numbers of sRGB are no amounts of light: a picture whose numbers are doubled is not twice as
bright, and shadows and colours go astray. So they are turned into light, changed, and turned back
(IEC 61966-2-1).
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

_BAND_PIXELS = 1 << 20
_FINE = 1 << 16  # levels of light of which each has its number
_EYE = (0.2126, 0.7152, 0.0722)  # how bright red, green and blue are


def relit(image: "Image.Image", value: Sequence[float]) -> "Image.Image":
    """Return an RGB image in another light.

    Args:
        image: RGB.
        value: Stops brighter; how much warmer, in stops of red over green and green over blue; and
            what its colours are multiplied by, 1 for no change, 0 for greys.
    """
    import numpy as np
    from PIL import Image

    own, shared = _tables(*value)
    found = Image.new("RGB", image.size)
    rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(image.height, top + rows))
        levels = [np.asarray(band) for band in image.crop(box).split()]
        eye = sum(table[level] for table, level in zip(shared, levels, strict=True))
        bands = [
            Image.fromarray(_numbers()[(table[level] + eye).clip(0, _FINE - 1)])
            for table, level in zip(own, levels, strict=True)
        ]
        found.paste(Image.merge("RGB", bands), box)
    return found


def _tables(
    stops: float, warmth: float, colour: float
) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """Return what each number of a channel adds to it, and to all: int32, (3, 256) each.

    Whole numbers, so that every machine has the same pixels.
    """
    import numpy as np

    part = np.arange(256) / 255
    light = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    gains = np.array([2 ** (stops + warmth), 2**stops, 2 ** (stops - warmth)])
    channels = gains[:, None] * light * (_FINE - 1)
    shared = (1 - colour) * np.array(_EYE)[:, None] * channels
    return np.rint(colour * channels).astype(np.int32), np.rint(shared).astype(np.int32)


@cache
def _numbers() -> "np.ndarray[Any, Any]":
    """Return the number of each level of light: uint8, (_FINE,)."""
    import numpy as np

    light = np.arange(_FINE) / (_FINE - 1)
    part = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    found: np.ndarray[Any, Any] = np.rint(part * 255).astype(np.uint8)
    return found
