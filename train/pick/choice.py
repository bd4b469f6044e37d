"""Which export is recommended, and why. Pure.

What exports draw is judged by few pictures, and neighbours are alike: a figure is evened out over
an export and its neighbours, a quarter each, the export itself one half. Of those within one
standard error of the best such quality, which chance cannot tell from it, the one with the lowest
held-out loss is taken; where nothing was judged, the lowest held-out loss of all; the earlier of
two that are equal. Without held-out losses it is the best quality.

Source: the rule of one standard error: Hastie, Tibshirani, Friedman 2009 (The Elements of
Statistical Learning, 2nd edition), section 7.10.1; there the simplest such model is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass

ENOUGH_HELD_OUT = 4  # pictures, without which a held-out loss says nothing of an export


@dataclass(frozen=True)
class ScoredExport:
    """An export that may be recommended.

    Attributes:
        quality: What it draws, 0 to 1; None where nothing was judged; `error`: standard error.
        held_out: Mean loss of pictures that are held out; None where none was measured; so is
            `trained`, of those that train.
    """

    name: str
    step: int
    quality: float | None = None
    error: float = 0.0
    held_out: float | None = None
    trained: float | None = None


@dataclass(frozen=True)
class Choice:
    """What is recommended.

    Attributes:
        number: Of the candidate.
        by: `quality` or `loss`; empty where nothing says anything: the last one then.
        alike: Numbers of those that chance cannot tell from it, itself among them.
    """

    number: int
    by: str
    alike: tuple[int, ...]


def choice(each: Sequence[ScoredExport]) -> Choice:
    """Return which of the candidates is recommended; they are in the order of their steps."""
    losses = [one.held_out for one in each if one.held_out is not None]
    loss = evened(losses) if len(losses) == len(each) else []
    qualities = [one.quality for one in each if one.quality is not None]
    if len(qualities) == len(each):
        even = evened(qualities)
        best = max(range(len(each)), key=lambda n: (even[n], -n))
        least = even[best] - _even_error([one.error for one in each], best)
        alike = tuple(n for n, value in enumerate(even) if value >= least)
        return Choice(min(alike, key=loss.__getitem__) if loss else best, "quality", alike)
    if loss:
        best = min(range(len(each)), key=loss.__getitem__)
        return Choice(best, "loss", (best,))
    return Choice(len(each) - 1, "", tuple(range(len(each))))


def evened(each: Sequence[float]) -> list[float]:
    """Return each number with a quarter of either neighbour's, or of its own at an end."""
    last = len(each) - 1
    return [
        (each[max(n - 1, 0)] + 2 * value + each[min(n + 1, last)]) / 4
        for n, value in enumerate(each)
    ]


def _even_error(errors: Sequence[float], at: int) -> float:
    last = len(errors) - 1
    near = (errors[max(at - 1, 0)], 2 * errors[at], errors[min(at + 1, last)])
    return float(sum(one * one for one in near) ** 0.5 / 4)


def overtrained_from(losses: Sequence[float]) -> int | None:
    """Return the first number from which on a loss is above its least one for good; else None.

    A step of the curve that chance makes is evened out.
    """
    even = evened(losses)
    best = min(range(len(even)), key=lambda n: (even[n], n))
    return best + 1 if best + 1 < len(even) else None
