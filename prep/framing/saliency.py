"""Where a picture draws the eye: the spectral residual.

Source: Hou and Zhang, Saliency Detection: A Spectral Residual Approach, CVPR 2007: of a picture of
64 px, the log spectrum less its mean over 3 x 3 says what is unexpected; sections 2.3 and 3.
"""

from typing import TYPE_CHECKING, Any

from prep.images.placement import Size

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

_SIDE = 64
_FLAT = 2  # levels of 255; of less, the residual is rounding
_BLUR = 9  # px; the paper's Gaussian of sigma 8 is for a larger map


def saliency(image: "Image.Image") -> "np.ndarray[Any, Any]":
    """Return how much each place draws the eye, (64, 64), float64, from 0, the sum 1.

    Of a picture that is flat, every place does alike.
    """
    import numpy as np
    from PIL import Image, ImageFilter

    small = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    grey = np.asarray(small, np.float64)
    if np.ptp(grey) < _FLAT:
        return np.full_like(grey, 1 / grey.size)
    spectrum = np.fft.fft2(grey)
    strength = np.log(np.abs(spectrum) + 1e-9)
    residual = strength - _mean(strength, 3)
    found = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    found = found / (found.max() or 1.0)
    rounded = Image.fromarray((found * 255).astype(np.uint8))
    blurred = np.asarray(rounded.filter(ImageFilter.GaussianBlur(_BLUR / 3)), np.float64)
    total = blurred.sum()
    return blurred / total if total else np.full_like(blurred, 1 / blurred.size)


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


def _mean(values: "np.ndarray[Any, Any]", side: int) -> "np.ndarray[Any, Any]":
    """Return the mean over a square around each value; the spectrum goes round at its edges."""
    import numpy as np

    reach = range(-(side // 2), side // 2 + 1)
    moved = [np.roll(values, (down, across), (0, 1)) for down in reach for across in reach]
    found: np.ndarray[Any, Any] = np.mean(moved, axis=0)
    return found
