"""Bars of one colour around a picture, and a lower part that was never decoded."""

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

_PLAIN = 14  # levels within which a bar has one colour; JPEG spoils it a little
_STRAY = 0.02  # of a row may have others
_LEAST, _MOST = 0.02, 0.42  # of a side
_STRAIGHT = 0.5  # of a bar's edge where the picture behind it has another colour
_NEAR, _BLOCKS = 4, 24  # px behind the edge; the same where whole blocks were not decoded
_UNDECODED = ((128, 128, 128), (0, 0, 0))  # what decoders leave where data end
_EXACT = 3  # levels
_TORN = 0.04  # of the height, at least


class Bars(NamedTuple):
    """What lies around a picture, as parts of its width or height, 0 to 1.

    Attributes:
        left: 0 where there is no bar; the others alike.
        torn: The lower part that was not decoded.
    """

    left: float
    top: float
    right: float
    bottom: float
    torn: float


def bars(copy: "np.ndarray[Any, Any]") -> Bars:
    """Return the bars around a small copy: uint8, (height, width, 3).

    Only pairs count, opposite each other: one strip alone may be a floor or a sky.
    """
    import numpy as np

    pixels = copy.astype(np.int16)
    top, bottom = _pair(pixels)
    left, right = _pair(pixels.swapaxes(0, 1))
    torn = 0.0 if top or bottom else _torn(pixels)
    return Bars(left, top, right, bottom, torn)


def _pair(pixels: "np.ndarray[Any, Any]") -> tuple[float, float]:
    """Return the parts that bars of one colour at the first and the last rows take; 0 for none."""
    import numpy as np

    first, last = _bar(pixels), _bar(pixels[::-1])
    side = len(pixels)
    if not all(_LEAST * side <= bar <= _MOST * side for bar in (first, last)):
        return 0.0, 0.0
    colours = [np.median(rows.reshape(-1, 3), axis=0) for rows in (pixels[:first], pixels[-last:])]
    if np.abs(colours[0] - colours[1]).max() > _PLAIN:
        return 0.0, 0.0
    if not (_straight(pixels, first) and _straight(pixels[::-1], last)):
        return 0.0, 0.0
    return first / side, last / side


def _bar(pixels: "np.ndarray[Any, Any]") -> int:
    """Return how many of the first rows have one colour."""
    import numpy as np

    colour = np.median(pixels[0], axis=0)
    most = round(_MOST * len(pixels)) + 2
    stray = (_away(pixels[:most], colour) > _PLAIN).mean(1)
    other = np.flatnonzero(stray > _STRAY)
    return int(other[0]) if len(other) else len(pixels)


def _away(pixels: "np.ndarray[Any, Any]", colour: Any) -> "np.ndarray[Any, Any]":
    """Return by how many levels each pixel differs from a colour."""
    import numpy as np

    each = [np.abs(pixels[..., n] - np.int16(round(float(colour[n])))) for n in range(3)]
    away: np.ndarray[Any, Any] = np.maximum.reduce(each)
    return away


def _straight(pixels: "np.ndarray[Any, Any]", bar: int, near: int = _NEAR) -> bool:
    """Return whether a bar ends in a straight edge, not where a figure happens to end."""
    import numpy as np

    colour = np.median(pixels[:bar].reshape(-1, 3), axis=0)
    behind = _away(pixels[bar : bar + near], colour).max(0)
    return bool((behind > _PLAIN).mean() >= _STRAIGHT)


def _torn(pixels: "np.ndarray[Any, Any]") -> float:
    import numpy as np

    upside = pixels[::-1]
    for colour in _UNDECODED:
        if _away(upside[:1], colour).max() > _EXACT:
            continue
        plain = (_away(upside, colour) <= _EXACT).all(1)
        rows = int(np.flatnonzero(~plain)[0]) if not plain.all() else 0
        if rows >= _TORN * len(pixels) and _straight(upside, rows, _BLOCKS):
            return rows / len(pixels)
    return 0.0
