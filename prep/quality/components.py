"""Connected areas of a mask, and connected things of any kind. Whole arrays at a time."""

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class Components(NamedTuple):
    """The connected areas of a mask; pixels touch at corners, too.

    Attributes:
        boxes: int, (areas, 4): left, top, right, bottom px; right and bottom are outside.
        sizes: int, (areas,): pixels.
        means: float, (areas,): of a plane over their pixels.
    """

    boxes: "np.ndarray[Any, Any]"
    sizes: "np.ndarray[Any, Any]"
    means: "np.ndarray[Any, Any]"


def components(mask: "np.ndarray[Any, Any]", plane: "np.ndarray[Any, Any]") -> Components:
    """Return the connected areas of a mask, and the mean of a plane over each of them.

    Args:
        mask: bool, (height, width).
        plane: Numbers of the same shape.
    """
    import numpy as np

    width = mask.shape[1]
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)  # runs of a row, in their order
    ends = np.nonzero(edges == -1)[1]
    label = connected(len(rows), *_touching(rows, starts, ends, width + 2))
    num = int(label.max()) + 1 if len(label) else 0
    boxes = np.empty((num, 4), np.intp)
    boxes[:, :2] = mask.size
    boxes[:, 2:] = 0
    for column, values in ((0, starts), (1, rows)):
        np.minimum.at(boxes[:, column], label, values)
    for column, values in ((2, ends), (3, rows + 1)):
        np.maximum.at(boxes[:, column], label, values)
    sizes = np.bincount(label, ends - starts, minlength=num).astype(np.intp)
    before = np.pad(plane.astype(np.float64).cumsum(1), ((0, 0), (1, 0)))
    sums = np.bincount(label, before[rows, ends] - before[rows, starts], minlength=num)
    return Components(boxes, sizes, sums / np.maximum(sizes, 1))


def connected(
    num: int, ones: "np.ndarray[Any, Any]", others: "np.ndarray[Any, Any]"
) -> "np.ndarray[Any, Any]":
    """Return for each of `num` things which group it is in, from 0, by pairs that belong together.

    Args:
        num: Things.
        ones: The first thing of each pair; `others` has the second.
    """
    import numpy as np

    root = np.arange(num)
    while len(ones):
        low, high = np.minimum(root[ones], root[others]), np.maximum(root[ones], root[others])
        if (low == high).all():
            break
        np.minimum.at(root, high, low)
        while (root[root] != root).any():
            root = root[root]
    return np.unique(root, return_inverse=True)[1]


def _touching(
    rows: "np.ndarray[Any, Any]", starts: "np.ndarray[Any, Any]", ends: "np.ndarray[Any, Any]",
    wide: int,
) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":  # fmt: skip
    """Return the pairs of runs that touch, one below the other; `wide` px tell rows apart."""
    import numpy as np

    below = (rows + 1) * wide
    first = np.searchsorted(rows * wide + ends, below + starts, "left")
    last = np.searchsorted(rows * wide + starts, below + ends, "right")
    count = np.maximum(last - first, 0)
    ones = np.repeat(np.arange(len(rows)), count)
    within = np.arange(len(ones)) - np.repeat(count.cumsum() - count, count)
    return ones, first[ones] + within
