"""Whether the loss of a run has left its range: a rule over the losses of its steps. Pure.

Steps of a run draw their timesteps apart, so that the logarithms of their losses differ by chance
as independent numbers do. The mean of the last `WINDOW` of them is held against that of the first:
Welch's t, one-sided. At 5 chance alone passes it in one of 1.6 million windows (Student's
t of 198 degrees), and a run that learns is further from it. Source: Welch 1947.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from statistics import fmean, variance

WINDOW = 100  # steps
BOUND = 5.0


@dataclass
class LossRange:
    """The losses of a run, as they come.

    Attributes:
        first: Logarithms of its first losses.
        last: Of its last ones, behind those.
        told: Whether it was said that they left their range.
    """

    first: list[float] = field(default_factory=list)
    last: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    told: bool = False

    def left_with(self, loss: float) -> float | None:
        """Return how many times the first losses the last ones are, where they left their range.

        It is told once; None before and afterwards.
        """
        log = math.log(max(loss, 1e-12))
        if len(self.first) < WINDOW:
            self.first.append(log)
            return None
        self.last.append(log)
        if self.told or len(self.last) < WINDOW:
            return None
        rise = fmean(self.last) - fmean(self.first)
        spread = math.sqrt((variance(self.first) + variance(self.last)) / WINDOW)
        self.told = rise > BOUND * spread
        return math.exp(rise) if self.told else None
