"""Pictures that lie on their side: another picture of the set shows the same, turned."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prep.quality.measures import CELLS

if TYPE_CHECKING:
    import numpy as np

_ALIKE = 0.93  # of 1, what two layouts have in common
_UNLIKE = 0.6  # at most, with every picture that lies as it does
_ROWS = 512  # that are compared at a time
MOST = 6000  # pictures; of more, none are compared


def lying(layouts: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Return which pictures lie on their side or head, and one that shows the same as it stands.

    A picture lies where it is like another one that is turned, like none as it is, and the other
    one is like a third as it is: alone, two pictures do not tell which of them lies.

    Args:
        layouts: Key -> `Measures.layout`.
    """
    import numpy as np

    keys = sorted(key for key, layout in layouts.items() if len(layout))
    if not 3 <= len(keys) <= MOST:
        return {}
    upright = np.array([layouts[key] for key in keys], np.float32) / 127
    same = _best(upright, upright, apart=True)[0]
    best, other = np.full(len(keys), -1.0), np.zeros(len(keys), np.intp)
    planes = upright.reshape(-1, CELLS, CELLS)
    for quarters in (1, 2, 3):
        turned = np.rot90(planes, quarters, (1, 2)).reshape(len(keys), -1)
        like, at = _best(turned, upright, apart=True)
        best, other = np.maximum(best, like), np.where(like > best, at, other)
    found = (best >= _ALIKE) & (same <= _UNLIKE) & (same[other] >= _ALIKE)
    return {keys[at]: keys[other[at]] for at in np.flatnonzero(found)}


def _best(
    ones: "np.ndarray[Any, Any]", others: "np.ndarray[Any, Any]", *, apart: bool
) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """Return for each of some layouts how like the most alike other one is, and its place."""
    import numpy as np

    like, at = [], []
    for begin in range(0, len(ones), _ROWS):
        part = ones[begin : begin + _ROWS] @ others.T
        if apart:
            part[np.arange(len(part)), np.arange(begin, begin + len(part))] = -1
        like.append(part.max(1))
        at.append(part.argmax(1))
    return np.concatenate(like), np.concatenate(at)
