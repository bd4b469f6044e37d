"""Which pairs of pictures are worth a closer look: those whose vectors are alike."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from prep.likeness.alike import all_with_all, by_index, mirror
from prep.likeness.appearance import INSIDE, NUM_PARTS, WHOLE, part
from prep.likeness.area import ALL, Area

if TYPE_CHECKING:
    import numpy as np

    Vectors = np.ndarray[Any, Any]

MOST = 8  # pictures, the most alike, that one is compared with
_AT_ONCE = 128  # pictures
_HELD = 100_000  # rows of pairs, before only the best of them are kept


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


def candidates(
    ends: "Vectors", inside: Mapping[int, Area], read: Callable[[range], "Vectors"], *, index: bool
) -> Iterator[Candidate]:
    """Yield the pairs whose vectors are alike, each pair once: of its two ways, the likelier one.

    Args:
        ends: int8, (pictures, 2, CELLS * CELLS): the vectors of WHOLE and INSIDE of each.
        inside: From places, what is within a border of the pictures that have one.
        read: From places, the vectors of these pictures, int8, (places, NUM_PARTS, CELLS * CELLS).
        index: Whether an index tells which ones are compared, not all with all.
    """
    import numpy as np

    pairs = _alike(ends, read, (by_index if index else all_with_all)(ends))
    least, most = pairs[:, :2].min(1), pairs[:, :2].max(1)
    order = np.lexsort((pairs[:, 0], -pairs[:, 2], most, least))
    before: tuple[int, ...] = ()
    for inner, outer, _ in pairs[order].tolist():
        pair = (min(inner, outer), max(inner, outer))
        if pair != before:
            yield _way(read, inside, inner, outer)
        before = pair


def _alike(
    ends: "Vectors",
    read: Callable[[range], "Vectors"],
    compared: Callable[[int, "Vectors"], "Vectors"],
) -> "Vectors":
    """Return the rows of `prep.likeness.alike`: of each inner picture, those most like it."""
    import numpy as np

    kept, fresh, num = np.zeros((0, 3), np.int64), [], 0
    for first in range(0, len(ends), _AT_ONCE):
        fresh.append(compared(first, read(range(first, min(first + _AT_ONCE, len(ends))))))
        num += len(fresh[-1])
        if num > max(_HELD, len(kept)):
            kept, fresh, num = _most(np.concatenate([kept, *fresh])), [], 0
    return _most(np.concatenate([kept, *fresh]))


def _most(pairs: "Vectors") -> "Vectors":
    """Return of each inner picture the MOST rows with the largest products."""
    import numpy as np

    pairs = pairs[np.lexsort((pairs[:, 1], -pairs[:, 2], pairs[:, 0]))]
    place = np.arange(len(pairs)) - np.searchsorted(pairs[:, 0], pairs[:, 0])
    return pairs[place < MOST]


def _way(
    read: Callable[[range], "Vectors"], inside: Mapping[int, Area], inner: int, outer: int
) -> Candidate:
    """Return by which parts two pictures are most alike; of equals, by the largest ones."""
    import numpy as np

    own, others = (read(range(place, place + 1))[0].astype(np.int32) for place in (inner, outer))
    ways = [(int(others[p] @ own[WHOLE]), WHOLE, p, False) for p in range(NUM_PARTS)]
    for place in (WHOLE, INSIDE):
        ways.append((int(others[place] @ own[INSIDE]), INSIDE, place, False))
        for mine in (WHOLE, INSIDE):
            flipped = mirror(own[None, mine])[0]
            ways.append((int(others[place] @ flipped), mine, place, True))
    _, mine, place, flip = max(ways, key=lambda way: way[0])
    within = inside.get(inner, ALL) if mine == INSIDE else ALL
    where = inside.get(outer, ALL) if place == INSIDE else part(place)
    return Candidate(inner, outer, within.mirrored() if flip else within, where, flip)
