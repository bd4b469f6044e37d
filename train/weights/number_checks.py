"""What the numbers of a file are: not finite, all zero, how large. Piece by piece."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from train.weights.number_words import FLOATS
from train.weights.weight_source import WeightSource


class TensorNumbers(NamedTuple):
    """What was seen of a tensor's numbers.

    Attributes:
        total: How many there are.
        nan: How many are NaN.
        infinite: How many are infinite.
        squares: Their sum of squares.
    """

    total: int
    nan: int
    infinite: int
    squares: float

    @property
    def norm(self) -> float:
        """The length of the tensor as one row of numbers."""
        return math.sqrt(self.squares)


def numbers_of(source: WeightSource, names: Iterable[str]) -> dict[str, TensorNumbers]:
    """Return what the numbers of some tensors are; of those whose kind can be read."""
    kinds = {name: source.tensors[name].dtype for name in names}
    return {name: _seen(source, name) for name, dtype in kinds.items() if dtype in FLOATS}


def _seen(source: WeightSource, name: str) -> TensorNumbers:
    import numpy as np

    count = nan = infinite = 0
    squares = 0.0
    for piece in source.numbers(name):
        wide = piece.astype(np.float64, copy=False)
        count += wide.size
        total = float(np.dot(wide, wide))
        if not math.isfinite(total):
            finite = np.isfinite(wide)
            nan += int(np.isnan(wide).sum())
            infinite += int(np.isinf(wide).sum())
            wide = wide[finite]
            total = float(np.dot(wide, wide))
        squares += total
    return TensorNumbers(count, nan, infinite, squares)
