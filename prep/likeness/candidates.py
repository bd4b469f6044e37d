"""Which pairs of pictures are worth a closer look: all vectors of all pictures, multiplied."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from prep.likeness.appearance import CELLS, INSIDE, LENGTH, NUM_PARTS, WHOLE, part
from prep.likeness.area import ALL, Area

if TYPE_CHECKING:
    import numpy as np

    Vectors = np.ndarray[Any, Any]

LEAST = 0.82  # correlation of two grids
MOST = 8  # pictures, the most alike, that one is compared with
_ROWS = 256  # pictures that are multiplied at once


class Candidate(NamedTuple):
    """Two pictures that may show the same.

    Attributes:
        inner: Place of the picture that may be a part of the other one.
        outer: Place of the other one.
        within: What of the inner picture is compared.
        where: With what of the outer one.
        mirror: The inner one is mirrored first.
    """

    inner: int
    outer: int
    within: Area
    where: Area
    mirror: bool


def candidates(vectors: "Vectors", inside: "Vectors") -> Iterator[Candidate]:
    """Yield the pairs whose vectors are alike, each pair once: of its two ways, the likelier one.

    Args:
        vectors: int8, (pictures, NUM_PARTS, CELLS * CELLS).
        inside: (pictures, 4): each one's Area within its border.
    """
    import numpy as np

    found: dict[tuple[int, int], tuple[int, int, int]] = {}
    for first in range(0, len(vectors), _ROWS):
        alike = _alike(vectors, slice(first, first + _ROWS))
        for row, scores in enumerate(alike):
            inner = first + row
            scores[inner] = 0
            near = np.flatnonzero(scores >= LEAST * LENGTH**2)
            for outer in near[np.argsort(-scores[near], kind="stable")][:MOST]:
                pair = (min(inner, int(outer)), max(inner, int(outer)))
                way = (int(scores[outer]), inner, int(outer))
                if pair not in found or way[0] > found[pair][0]:
                    found[pair] = way
    for pair in sorted(found):
        _, inner, outer = found[pair]
        yield _way(vectors, inside, inner, outer)


def _alike(vectors: "Vectors", rows: slice) -> "Vectors":
    """Return float32, (rows, pictures): the best product of an inner and an outer picture."""
    import numpy as np

    own = vectors[rows].astype(np.float32)
    whole, inner = own[:, WHOLE], own[:, INSIDE]
    best = np.zeros((len(own), len(vectors)), np.float32)
    for place in range(NUM_PARTS):
        others = vectors[:, place].astype(np.float32).T
        np.maximum(best, whole @ others, out=best)
        if place in (WHOLE, INSIDE):
            for one in (inner, _mirrored(whole), _mirrored(inner)):
                np.maximum(best, one @ others, out=best)
    return best


def _way(vectors: "Vectors", inside: "Vectors", inner: int, outer: int) -> Candidate:
    """Return by which parts two pictures are most alike; of equals, by the largest ones."""
    import numpy as np

    own, others = vectors[inner].astype(np.int32), vectors[outer].astype(np.int32)
    ways = [(int(others[p] @ own[WHOLE]), WHOLE, p, False) for p in range(NUM_PARTS)]
    for place in (WHOLE, INSIDE):
        ways.append((int(others[place] @ own[INSIDE]), INSIDE, place, False))
        for mine in (WHOLE, INSIDE):
            flipped = _mirrored(own[None, mine])[0]
            ways.append((int(others[place] @ flipped), mine, place, True))
    _, mine, place, mirror = max(ways, key=lambda way: way[0])
    within = Area(*inside[inner]) if mine == INSIDE else ALL
    where = Area(*inside[outer]) if place == INSIDE else part(place)
    return Candidate(inner, outer, within.mirrored() if mirror else within, where, mirror)


def _mirrored(rows: "Vectors") -> "Vectors":
    """Return the vectors of the same parts, mirrored left to right."""
    return rows.reshape(-1, CELLS, CELLS)[:, :, ::-1].reshape(len(rows), CELLS**2)
