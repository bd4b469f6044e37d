"""Which pictures have vectors that are alike: of all with all, or of those that an index names.

Rows of pairs are int64: the place of the picture that may be a part, that of the other one, and
the product of their vectors.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from prep.likeness.appearance import CELLS, INSIDE, LENGTH, NUM_PARTS, WHOLE
from prep.likeness.index import Index

if TYPE_CHECKING:
    import numpy as np

    Vectors = np.ndarray[Any, Any]

LEAST = 0.82  # correlation of two grids
_AT_ONCE = 1 << 14  # products


def all_with_all(ends: "Vectors") -> Callable[[int, "Vectors"], "Vectors"]:
    """Return what compares some pictures with all of them: time grows with the square of these.

    Args:
        ends: int8, (pictures, 2, CELLS * CELLS): the vectors of WHOLE and INSIDE of each.

    Returns:
        From the place of the first of some pictures, and their vectors, int8, (some, NUM_PARTS,
        CELLS * CELLS), the rows of those pairs of which they are the outer picture.
    """
    import numpy as np

    whole = np.ascontiguousarray(ends[:, 0].astype(np.float32).T)
    turned = [np.ascontiguousarray(rows.astype(np.float32).T) for rows in _turned(ends)]

    def compared(first: int, vectors: "Vectors") -> "Vectors":
        parts = vectors.astype(np.float32)
        best = np.zeros((len(parts), len(ends)), np.float32)
        for place in range(NUM_PARTS):
            np.maximum(best, parts[:, place] @ whole, out=best)
        for place in (WHOLE, INSIDE):
            for rows in turned:
                np.maximum(best, parts[:, place] @ rows, out=best)
        outer, inner = np.nonzero(best >= LEAST * LENGTH**2)
        found = np.stack([inner, outer + first, best[outer, inner].astype(np.int64)], 1)
        return _of_two(found)

    return compared


def by_index(ends: "Vectors") -> Callable[[int, "Vectors"], "Vectors"]:
    """Return the same as `all_with_all`, of the pairs alone that an index names.

    A picture without a border is looked up once, not once more for what is inside of it.
    """
    import numpy as np

    inside, *mirrored = _turned(ends)
    plain = (ends[:, 0] == ends[:, 1]).all(1)
    for rows in (inside, mirrored[1]):
        rows[plain] = 0
    tables = [(ends[:, 0], NUM_PARTS), (np.concatenate([inside, *mirrored]), 2)]
    indexes = [(Index(rows), rows, num) for rows, num in tables]

    def compared(first: int, vectors: "Vectors") -> "Vectors":
        found = []
        for index, rows, num in indexes:
            parts = vectors if num == NUM_PARTS else vectors[:, [WHOLE, INSIDE]]
            parts = parts.reshape(-1, CELLS**2)
            place, row = index.near(parts)
            product = _products(parts, place, rows, row)
            alike = np.flatnonzero(product >= LEAST * LENGTH**2)
            each = (row[alike] % len(ends), place[alike] // num + first, product[alike])
            found.append(np.stack(each, 1).astype(np.int64))
        return _best(np.concatenate(found))

    return compared


def _best(pairs: "Vectors") -> "Vectors":
    """Return of two different pictures the row with the largest product."""
    import numpy as np

    pairs = _of_two(pairs)
    pairs = pairs[np.lexsort((-pairs[:, 2], pairs[:, 1], pairs[:, 0]))]
    again = (pairs[1:, :2] == pairs[:-1, :2]).all(1)
    return pairs[np.concatenate([[True], ~again])] if len(pairs) else pairs


def _of_two(pairs: "Vectors") -> "Vectors":
    """Return the rows without those of a picture and itself."""
    found: Vectors = pairs[pairs[:, 0] != pairs[:, 1]]
    return found


def _products(one: "Vectors", place: "Vectors", other: "Vectors", row: "Vectors") -> "Vectors":
    """Return float32, (pairs,), the products of some vectors with some others: whole numbers."""
    import numpy as np

    found = np.empty(len(place), np.float32)
    for at in range(0, len(place), _AT_ONCE):
        some = slice(at, at + _AT_ONCE)
        each = (rows.astype(np.float32) for rows in (one[place[some]], other[row[some]]))
        np.einsum("ij,ij->i", *each, out=found[some])
    return found


def _turned(ends: "Vectors") -> list["Vectors"]:
    """Return the vectors of what is inside of a border, and of both, mirrored."""
    return [ends[:, 1].copy(), mirror(ends[:, 0]), mirror(ends[:, 1])]


def mirror(rows: "Vectors") -> "Vectors":
    """Return the vectors of the same parts, mirrored left to right."""
    return rows.reshape(-1, CELLS, CELLS)[:, :, ::-1].reshape(len(rows), CELLS**2)
