"""How far an edit moves what a run draws, against how far chance alone moves it. Pure.

Two equal runs on a CPU differ by nothing. What an edit does is told from chance by runs of the same
part with another order, other times and other noise: the floor is the root of the mean square of
how far they are from the run as it was.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

TIMES = 3.0  # what moves further than so many floors is no chance
# A floor below this is taken for this: a mean of few pictures has no finer steps.
LEAST = {"seen": 0.02, "apart": 0.5}


@dataclass(frozen=True)
class Moved:
    """How far a figure moved.

    Attributes:
        text: The text that was drawn.
        label: The tag whose figure it is, 0 to 1; empty: how far pictures are apart, 0 to 255.
        before: As it was; 0 of pictures.
        after: With the edit.
        floor: What chance does.
    """

    text: str
    label: str
    before: float
    after: float
    floor: float

    @property
    def times(self) -> float:
        """How many floors it moved."""
        least = LEAST["seen" if self.label else "apart"]
        return abs(self.after - self.before) / max(self.floor, least)

    def stands_out(self) -> bool:
        """Return whether it moved further than chance does."""
        return self.times > TIMES

    def line(self) -> str:
        """Return it in a person's words."""
        mark = "  MOVED" if self.stands_out() else ""
        if self.label:
            told = f"`{self.label}` is seen {self.after:.2f}, was {self.before:.2f}"
        else:
            told = f"pictures are {self.after:.1f} apart"
        return f"  {told}; by chance {self.floor:.2f}: {self.times:.1f} times{mark}"


def seen(text: str, label: str, each: Mapping[str, Sequence[float]]) -> Moved:
    """Return how far a tag moved.

    Args:
        each: Variant -> how surely the tag is seen in each of its pictures; first as it was, then
            with the edit, then those of chance.
    """
    before, after, *chance = (fmean(one) for one in each.values())
    return Moved(text, label, before, after, _root([one - before for one in chance]))


def apart(text: str, distances: Sequence[float]) -> Moved:
    """Return how far pictures are from those as it was.

    Args:
        distances: Of the edit, then of chance, 0 to 255.
    """
    after, *chance = distances
    return Moved(text, "", 0.0, after, _root(chance))


def _root(each: Sequence[float]) -> float:
    return math.sqrt(fmean(one * one for one in each)) if each else 0.0
