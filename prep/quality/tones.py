"""The light and the colours of a picture, and how much of it shows anything."""

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

_CELL = 16  # px of the small copy
_SEEN, _LEAST_SEEN = 12, 4  # levels between the darkest and the lightest pixel of a cell
_OF_RANGE = 0.08  # the same as a part of what the whole picture has
_LEVELS = 16  # steps of light within which a toned picture has one colour


class Tones(NamedTuple):
    """The light and the colours of a picture.

    Attributes:
        dark: Level that only a hundredth of it is darker than.
        light: Level that only a hundredth of it is lighter than.
        colour: Levels by which its colours differ from one tone for each light; 0 for greys.
        grey: Levels between its channels; 0 for greys.
        filled: The part of it, 0 to 1, where anything is to be seen.
    """

    dark: float
    light: float
    colour: float
    grey: float
    filled: float


def tones(copy: "np.ndarray[Any, Any]") -> Tones:
    """Return the light and the colours of a small copy: uint8, (height, width, 3)."""
    import numpy as np

    levels = copy.astype(np.float32)
    grey = levels @ np.array([0.299, 0.587, 0.114], np.float32)
    dark, light = (float(level) for level in np.percentile(grey, (1, 99)))
    channels = [copy[..., n] for n in range(3)]
    between = np.maximum.reduce(channels) - np.minimum.reduce(channels)
    return Tones(
        dark, light, _colour(levels, grey), float(np.percentile(between, 99.5)),
        _filled(grey, light - dark),
    )  # fmt: skip


def _colour(levels: "np.ndarray[Any, Any]", grey: "np.ndarray[Any, Any]") -> float:
    """Return how far colours are from the one that most pixels of their light have."""
    import numpy as np

    chroma = levels[..., (0, 2)] - grey[..., None]
    band = np.minimum(grey * (_LEVELS / 256), _LEVELS - 1).astype(np.intp).ravel()
    flat = chroma.reshape(-1, 2)
    count = np.maximum(np.bincount(band, minlength=_LEVELS), 1)
    means = np.stack(
        [np.bincount(band, flat[:, n], minlength=_LEVELS) / count for n in range(2)], 1
    )
    spread = np.abs(flat - means[band])
    away = np.maximum(spread[:, 0], spread[:, 1])
    return float(np.percentile(away, 99.5))


def _filled(grey: "np.ndarray[Any, Any]", spread: float) -> float:

    height, width = (side // _CELL * _CELL for side in grey.shape)
    if not height or not width:
        return 1.0
    cells = grey[:height, :width].reshape(height // _CELL, _CELL, width // _CELL, _CELL)
    contrast = cells.max((1, 3)) - cells.min((1, 3))
    return float((contrast > min(_SEEN, max(_LEAST_SEEN, _OF_RANGE * spread))).mean())
