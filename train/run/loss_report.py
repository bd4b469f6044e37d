"""Which pictures of a run were the hardest, and which were learnt quickest. Pure.

The timestep decides most of a loss, and noise much of the rest. So the logarithm of each showing's
loss is taken from the mean of those at about the same timestep, over all pictures and steps; what
is left are means over the showings of a picture, with their standard errors.

Letters: N showings.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from train.run.picture_losses import ShownLosses

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_MOST_BINS, _LEAST_IN_BIN = 40, 50
_FEWEST = 6  # showings of a picture, without which nothing can be told of it


class PictureLoss(NamedTuple):
    """What is told of one picture.

    Attributes:
        seen: How often it was shown.
        level: Loss over that of all at the same timesteps, in the last half of its showings.
        fall: The same in the last third over that in the first one.
        level_error, fall_error: Standard errors of their logarithms.
    """

    key: str
    seen: int
    level: float
    level_error: float
    fall: float
    fall_error: float


def report(found: ShownLosses) -> list[PictureLoss]:
    """Return what is told of each picture that was shown often enough, the hardest first."""
    import numpy as np

    rest_N = _beside_timestep(found)
    each = []
    for number, key in enumerate(found.keys):
        mine = rest_N[np.flatnonzero(found.number_N == number)]
        if len(mine) < _FEWEST:
            continue
        third = len(mine) // 3
        level, error = _mean(mine[len(mine) // 2 :])
        (last, off), (first, other) = _mean(mine[-third:]), _mean(mine[:third])
        fall = math.exp(last - first)
        each.append(
            PictureLoss(key, len(mine), math.exp(level), error, fall, math.hypot(off, other))
        )
    return sorted(each, key=lambda one: (-one.level, one.key))


def _mean(part: "Array") -> tuple[float, float]:
    error = float(part.std(ddof=1)) / math.sqrt(len(part)) if len(part) > 1 else 0.0
    return float(part.mean()), error


def _beside_timestep(found: ShownLosses) -> "Array":
    """Return the logarithms of the losses less what is usual at their timesteps, shape (N,).

    What is usual: means of as many showings each, sorted by timestep, with lines between them.
    """
    import numpy as np

    log_N = np.log(np.maximum(found.loss_N.astype(np.float64), 1e-12))
    order = np.argsort(found.time_N, kind="stable")
    bins = max(1, min(_MOST_BINS, len(log_N) // _LEAST_IN_BIN))
    parts = np.array_split(order, bins)
    times = [float(found.time_N[part].mean()) for part in parts]
    usual = np.interp(found.time_N, times, [float(log_N[part].mean()) for part in parts])
    rest: Array = log_N - usual
    return rest


def lines(each: list[PictureLoss], most: int) -> Iterator[str]:
    """Yield the hardest and the quickest learnt pictures, so many of each."""
    yield "hardest (loss over that of all pictures at the same timesteps, in the last half):"
    for one in each[:most]:
        yield _line(one, one.level, one.level_error)
    yield "learnt quickest (the same in the last third over that in the first):"
    for one in sorted(each, key=lambda one: (one.fall, one.key))[:most]:
        yield _line(one, one.fall, one.fall_error)


def _line(one: PictureLoss, value: float, error: float) -> str:
    return f"  {value:5.2f} +- {value * error:4.2f}  seen {one.seen}  {one.key}"
