"""Which of very many vectors may be like some others, without multiplying all with all.

Of each vector 64 bits are kept: which of its cells are lighter than their mean. In each band these
are sorted with other bits in front, so that vectors that are alike are neighbours in one of them.
Neighbours are as many as `_AROUND` says, however many vectors there are.
"""

from typing import TYPE_CHECKING, Any

from prep.likeness.appearance import CELLS

if TYPE_CHECKING:
    import numpy as np

    Vectors = np.ndarray[Any, Any]

_BITS = CELLS**2
_STEPS = (5, 13, 19, 27, 35, 43, 51, 59)  # a band each; odd, so that each has all bits
_SHARED = 12  # bits in front that neighbours have in common
_AROUND = 16  # neighbours before, and after
_MOST_APART = 18  # of all bits; no two vectors of LEAST that are further apart are worth the time


class Index:
    """Vectors, sorted so that those that may be like another one are found.

    Args:
        vectors: int8, (rows, CELLS * CELLS). Zeros, which are like none, are left out.
    """

    def __init__(self, vectors: "Vectors") -> None:
        import numpy as np

        rows = np.flatnonzero(vectors.any(1)).astype(np.int32)
        self._bands = []
        for step in _STEPS:
            bits = _bits(vectors[rows], step)
            order = np.argsort(bits, kind="stable")
            self._bands.append((bits[order], rows[order]))

    def near(self, vectors: "Vectors") -> tuple["Vectors", "Vectors"]:
        """Return the pairs that are worth a product, each once: places of vectors, and rows.

        Args:
            vectors: int8, (places, CELLS * CELLS).
        """
        import numpy as np

        places = np.flatnonzero(vectors.any(1))
        wanted, front = vectors[places], np.uint64((1 << _SHARED) - 1 << _BITS - _SHARED)
        found = [np.zeros(0, np.int64)]
        for step, (known, rows) in zip(_STEPS, self._bands, strict=True):
            bits = _bits(wanted, step)
            at = np.searchsorted(known, bits)
            first = np.searchsorted(known, bits & front)
            last = np.searchsorted(known, bits | ~front, side="right")
            first, last = np.maximum(first, at - _AROUND), np.minimum(last, at + _AROUND)
            num = last - first
            who = np.repeat(np.arange(len(bits)), num)
            beside = np.arange(len(who)) + np.repeat(first - np.cumsum(num) + num, num)
            near = np.bitwise_count(bits[who] ^ known[beside]) <= _MOST_APART
            found.append(places[who[near]] << 32 | rows[beside[near]])
        pairs = np.sort(np.concatenate(found))  # np.unique takes five times as long
        pairs = pairs[np.flatnonzero(np.diff(pairs, prepend=-1))]
        return pairs >> 32, pairs & 0xFFFFFFFF


def _bits(vectors: "Vectors", step: int) -> "Vectors":
    """Return uint64, (rows,): which cells are lighter than the mean, every so manieth first."""
    import numpy as np

    cells = np.arange(_BITS) * step % _BITS
    packed = np.packbits(vectors[:, cells] > 0, axis=1)
    return np.ascontiguousarray(packed).view(">u8")[:, 0].astype(np.uint64)
