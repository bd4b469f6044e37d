"""Pictures that are learnt by heart: their loss at fixed noise fell far more than others'. Pure.

What a model learns of the subject lowers the loss of all its pictures; what lowers that of one
alone is that picture. The logarithm of the loss now over that before, at the same noise, is
compared over the pictures by its distance from their median, in standard deviations as the median
of the distances tells them. Measured by `benchmarks.memorised`.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import NamedTuple

Losses = Mapping[str, Sequence[float]]

BOUND = 5.0  # deviations below the median
FEWEST = 8  # pictures, without which there is no telling what is usual
_DEVIATION = 1.4826  # of a normal distribution, over the median of the distances
_LEAST = 0.02  # deviation that is taken at least: pictures may be alike


class Fall(NamedTuple):
    """How far the loss of a picture fell.

    Attributes:
        ratio: Loss now over loss before, a geometric mean over its times.
        distance: From what is usual, in deviations; negative: it fell further.
    """

    key: str
    ratio: float
    distance: float

    def stands_out(self) -> bool:
        """Return whether it fell so much further that chance does not do it."""
        return self.distance < -BOUND


def falls(before: Losses, now: Losses) -> list[Fall]:
    """Return the falls of all pictures that both know, the furthest first; none of too few."""
    logs = {
        key: fmean(_log(two) - _log(one) for one, two in zip(before[key], now[key], strict=True))
        for key in before.keys() & now.keys()
    }
    if len(logs) < FEWEST:
        return []
    middle = median(logs.values())
    width = max(_DEVIATION * median(abs(one - middle) for one in logs.values()), _LEAST)
    found = [Fall(key, math.exp(one), (one - middle) / width) for key, one in logs.items()]
    return sorted(found, key=lambda fall: (fall.distance, fall.key))


def _log(loss: float) -> float:
    return math.log(max(loss, 1e-12))
