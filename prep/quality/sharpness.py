"""How sharp a picture is, and whether it was made larger than it was taken.

Out of focus, even the sharpest edges are many pixels wide. What was made larger tells it in two
ways: between the pixels that it had, others were computed, which shows as a period in the second
differences (Gallagher, Detection of linear and cubic interpolation in JPEG compressed images, CRV
2005); and above the finest waves that it could hold there is nothing, with a knee before it.
"""

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

_WINDOW = 16  # px, in which an edge is looked for
_EDGE = 32  # levels between the two sides of an edge
_SHARPEST = 10  # percent of the edges
_LEAST = 60  # edges, or pixels of a period's spectrum
_BANDS = (0.02, 0.03, 0.045, 0.0625, 0.09, 0.125, 0.18, 0.25, 0.31, 0.36, 0.42, 0.5)
_JPEG = 8  # px, the period of JPEG's blocks
_SLOW = 8  # waves across a part, below which a period is the picture's own
_HELD = 0.25  # of what a picture has, from where on waves are missing


class Sharpness(NamedTuple):
    """How sharp a picture is.

    Attributes:
        edge: px, how wide its sharpest edges are, in the direction that is least sharp, where it
            was moved; None where it has hardly any.
        period: How far one period in its second differences stands out along both axes; 1 is no
            more than others.
        scale: By how much it was made larger, if that period or that knee is of it.
        drop: By how many powers of ten its spectrum falls within an octave behind the knee.
    """

    edge: float | None
    period: float
    scale: float
    drop: float


def sharpness(grey: "np.ndarray[Any, Any]") -> Sharpness:
    """Return how sharp a picture is.

    Args:
        grey: Parts of it at full scale, float32 levels, (parts, height, width).
    """
    import numpy as np

    edges = [_edge(plane) for plane in (grey, grey.swapaxes(1, 2))]
    edges += [_edge(plane) for plane in _diagonals(grey)]
    found = [edge for edge in edges if edge is not None]
    busy = np.argsort(-grey.var((1, 2)), kind="stable")[: max(1, len(grey) // 3)]
    period, at = _period(grey[busy])
    knee, drop = _knee(grey[busy])
    scale = 1 / at if period > 1 else 0.5 / knee
    return Sharpness(max(found) if found else None, period, scale, drop)


def _edge(grey: "np.ndarray[Any, Any]") -> float | None:
    """Return how wide the sharpest edges are along a row; None where there are hardly any."""
    import numpy as np

    num, height, width = grey.shape
    long = (width - 1) // _WINDOW * _WINDOW
    if not long:
        return None
    steps = np.abs(np.diff(grey, axis=2))[:, :, :long]
    steepest = steps.reshape(num, height, -1, _WINDOW).max(3)
    windows = grey[:, :, :long].reshape(num, height, -1, _WINDOW)
    contrast = windows.max(3) - windows.min(3)
    strong = contrast > _EDGE
    if strong.sum() < _LEAST:
        return None
    return float(np.percentile(contrast[strong] / steepest[strong].clip(1), _SHARPEST))


def _diagonals(
    grey: "np.ndarray[Any, Any]",
) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """Return the inner parts sheared, so that their rows run along both diagonals."""
    import numpy as np

    half = min(grey.shape[1:]) // 2
    along, across = np.arange(half)[None], np.arange(half)[:, None]
    return grey[:, along, across + along], grey[:, along, across + half - 1 - along]


def _period(grey: "np.ndarray[Any, Any]") -> tuple[float, float]:
    """Return how far one period stands out along both axes, and its waves per px."""
    import numpy as np

    found = []
    for plane in (grey, grey.swapaxes(1, 2)):
        second = np.abs(2 * plane[:, :, 1:-1] - plane[:, :, :-2] - plane[:, :, 2:]).mean(1)
        long = second.shape[1] // _JPEG * _JPEG
        if long < _LEAST:
            return 1.0, 0.5
        second = np.log(second[:, :long] + 0.05)
        second = (second - second.mean(1, keepdims=True)) * np.hanning(long)
        found.append(_standing_out(np.abs(np.fft.rfft(second, axis=1)).mean(0), long))
    num = min(map(len, found))
    both = np.sqrt(found[0][:num] * found[1][:num])
    best = int(both.argmax())
    return float(max(1.0, both[best])), max(best, 1) / (2 * (num - 1))


def _standing_out(waves: "np.ndarray[Any, Any]", long: int) -> "np.ndarray[Any, Any]":
    """Return each wave as a multiple of those around it; 0 for slow ones.

    JPEG's blocks make waves of 1, 2, 3 and 4 in 8 px, all alike: less stands out of these.
    """
    import numpy as np

    places = np.arange(len(waves))
    usual = [np.median(waves[max(3, place - 8) : place + 9]) for place in places]
    parts = waves / np.maximum(usual, 1e-6)
    block = long // _JPEG
    jpeg = parts[block - 1 : block + 2].max()
    off = places % block
    parts[(off <= 1) | (off >= block - 1)] /= max(1.0, jpeg)
    parts[places < _SLOW] = 0
    return parts


def _knee(grey: "np.ndarray[Any, Any]") -> tuple[float, float]:
    """Return the finest waves that a picture still has, per px, and the drop behind them.

    Pictures have the same amount of waves in each octave; so much less of the finer ones are
    missing. The drop is in powers of ten.
    """
    import numpy as np

    _, height, width = grey.shape
    window = np.hanning(height)[:, None] * np.hanning(width)
    waves = np.abs(np.fft.rfft2((grey - grey.mean((1, 2), keepdims=True)) * window)) ** 2
    power = waves.mean(0)
    across, down = np.fft.rfftfreq(width)[None], np.fft.fftfreq(height)[:, None]
    distance = np.sqrt(across**2 + down**2)
    rings = [(distance >= low) & (distance < high) for low, high in itertools.pairwise(_BANDS)]
    middle = np.sqrt(np.array(_BANDS[1:]) * _BANDS[:-1])
    flat = np.array([power[ring].mean() if ring.any() else 0 for ring in rings]) * middle**2
    level = np.log10(np.maximum(flat, 1e-9) / max(flat[:4].max(), 1e-9))
    last = int(np.flatnonzero(level >= np.log10(_HELD))[-1])
    knee = float(middle[last])
    behind = np.interp(2 * knee, middle, level) if 2 * knee <= middle[-1] else level[last]
    return knee, float(level[last] - behind)
