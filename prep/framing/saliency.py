"""Where a picture draws the eye: by how far colours are from the picture's mean, in its middle.

Source: Achanta, Hemami, Estrada and Susstrunk, Frequency-tuned Salient Region Detection, CVPR 2009,
equation 4: of a picture, blurred, the distance from its mean colour in CIE L*a*b*. People put what
they mean near the middle, so that a place counts less towards the edges.
"""

from typing import TYPE_CHECKING, Any

from prep.images.placement import Size

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    Array = np.ndarray[Any, Any]

_SIDE = 64
_BLUR = 1.0  # px of the small picture
_FLAT = 1.0  # of L*a*b*; where no place is farther from the mean, none draws the eye
_MIDDLE = 0.3  # of the picture's sides: the deviation of what the middle counts more
# Of sRGB, IEC 61966-2-1, to CIE XYZ over the white of D65.
_TO_XYZ = (
    (0.4339536, 0.3762192, 0.1898272),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0177577, 0.1094766, 0.8727657),
)


def saliency(image: "Image.Image") -> "Array":
    """Return how much each place draws the eye, (64, 64), float64, from 0, the sum 1.

    Of a picture that is flat, every place does alike.
    """
    import numpy as np
    from PIL import Image, ImageFilter

    small = image.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    colours = _lab(np.asarray(small.filter(ImageFilter.GaussianBlur(_BLUR)), np.float64) / 255)
    off = np.linalg.norm(colours - _lab(np.asarray(small, np.float64) / 255).mean((0, 1)), axis=2)
    if off.max() < _FLAT:
        return np.full_like(off, 1 / off.size)
    places = (np.arange(_SIDE) + 0.5) / _SIDE - 0.5
    middle = np.exp(-0.5 * (places / _MIDDLE) ** 2)
    found: Array = off**2 * middle[:, None] * middle[None, :]
    whole: Array = found / found.sum()
    return whole


def _lab(rgb: "Array") -> "Array":
    """Return sRGB, 0 to 1, as L*, a*, b*; CIE 15."""
    import numpy as np

    light = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.moveaxis(np.cbrt(light @ np.array(_TO_XYZ).T), 2, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=2)


def window_at(image: "Image.Image", size: Size, window: Size) -> tuple[float, float]:
    """Return left and top px of the window that holds most of what draws the eye.

    Args:
        image: The picture, perhaps made smaller.
        size: Its whole (width, height) px, which the window is told in.
        window: (width, height) px, at most as large.
    """
    found = saliency(image)
    return (
        _best(found.sum(axis=0), size[0], window[0]),
        _best(found.sum(axis=1), size[1], window[1]),
    )


def _best(line: "np.ndarray[Any, Any]", length: int, window: int) -> float:
    """Return where a window on a line begins that holds most; of equals, the most central."""
    import numpy as np

    if window >= length:
        return 0.0
    total = np.concatenate([[0.0], np.cumsum(line)])
    places = np.linspace(0, length, len(total))
    begins = np.arange(0, length - window + 1, max(1, length // 256))
    held = np.interp(begins + window, places, total) - np.interp(begins, places, total)
    best = begins[held >= held.max() - 1e-3]
    central = np.abs(best - (length - window) / 2)
    return float(best[central.argmin()])
