"""Whether what was laid over a picture is writing, as a watermark is: strokes of one colour."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prep.likeness import levels
from prep.likeness.apart import apart
from prep.likeness.area import Area

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    Plane = np.ndarray[Any, Any]

_PULLED = 0.85  # of the difference, what leads towards the one colour and not past it
_STROKES = 6  # in a row of pixels through it
_WIDTH = 0.035  # of the longer side, that of a stroke
_LONG = 0.12  # of the width, what writing spans
_FAINT, _CLEAR = 0.2, 1.5  # of the furthest pixel, and times the noise: what is changed at all
_PAST = 8  # levels; less is no way past the colour
_COLOURS = tuple(range(0, 256, 15))


@dataclass(frozen=True)
class Writing:
    """Writing over one of two pictures.

    Attributes:
        region: Where, as parts of both.
        second: Whether it is over the second one.
    """

    region: Area
    second: bool


def writing(first: "Image.Image", second: "Image.Image") -> Writing | None:
    """Return what writing one of two aligned RGB images of a size has over it; None: none."""
    import numpy as np

    found = apart(first, second)
    most = float(found.away.max())
    differs = found.away > max(_FAINT * most, _CLEAR * found.noise)
    if not differs.any():
        return None
    region = found.region(differs)
    more = levels.detail(found.other) - levels.detail(found.one)
    on_second = float(more[differs].sum()) > 0
    over, under = (found.other, found.one) if on_second else (found.one, found.other)
    rows, columns = np.flatnonzero(differs.any(1)), np.flatnonzero(differs.any(0))
    cut = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    ink = (np.abs(over - under).max(2) * levels.widened(differs))[cut]
    if region.width < _LONG or not _strokes(ink, max(differs.shape)):
        return None
    if _pulled(over[differs], under[differs]) < _PULLED:
        return None
    return Writing(region, on_second)


def _pulled(over: "Plane", under: "Plane") -> float:
    """Return how much of the difference one colour explains: pixels go towards it, none past."""
    explained, whole = 0.0, 0.0
    for channel in range(over.shape[1]):
        one, other = over[:, channel], under[:, channel]
        whole += float(abs(one - other).sum())
        explained += max(_towards(one, other, colour) for colour in _COLOURS)
    return explained / whole if whole else 0.0


def _towards(over: "Plane", under: "Plane", colour: int) -> float:
    """Return the sum of the steps that lead from under towards a level, and not past it."""
    import numpy as np

    step = over - under
    left = colour - under
    good = (step * left >= 0) & (np.abs(step) <= np.abs(left) + _PAST)
    return float(np.abs(step)[good].sum())


def _strokes(away: "Plane", longer: int) -> bool:
    """Return whether rows through it meet many thin strokes."""
    import numpy as np

    inked = away > 0.3 * np.percentile(away, 99)
    edges = np.diff(np.pad(inked, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    num = (edges > 0).sum(1)
    if not num.any():
        return False
    busy = num[num > 0]
    width = inked.sum() / num.sum()
    return bool(np.percentile(busy, 80) >= _STROKES and width <= max(4, _WIDTH * longer))
