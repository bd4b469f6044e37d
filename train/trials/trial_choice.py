"""What trials say of steps, rank and learning rate, by pictures that did not train. Pure.

Every picture is held out once, so that all compare by the same pictures, each with itself. What
lies within one standard error of the best is told from it by nothing but chance: of steps the most
such are taken, as what a picture shows is learnt long after a mean loss says anything of it; of
ranks and rates the one that was asked for.

Source: k-fold cross-validation and the rule of one standard error: Hastie, Tibshirani, Friedman
2009 (The Elements of Statistical Learning, 2nd edition), section 7.10.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

Losses = Mapping[str, float]  # of a picture
LossCurve = Mapping[int, Losses]  # after so many steps


@dataclass(frozen=True)
class StepChoice:
    """How many steps are taken.

    Attributes:
        steps: The most that chance cannot tell from the best.
        best: Those with the lowest loss; `loss` is that.
        is_last: Whether they are all that were looked at, so that more may be better.
    """

    steps: int
    best: int
    loss: float
    is_last: bool


def together(curves: Sequence[LossCurve]) -> LossCurve:
    """Return the losses of all parts as one curve: each picture is in one of them."""
    steps = set(curves[0]).intersection(*curves[1:])
    return {
        step: {key: loss for curve in curves for key, loss in curve[step].items()}
        for step in sorted(steps)
    }


def steps_of(curve: LossCurve) -> StepChoice:
    """Return how many steps a curve speaks for; before the first step nothing is chosen."""
    found = {step: losses for step, losses in curve.items() if step > 0}
    best = min(found, key=lambda step: (fmean(found[step].values()), step))
    alike = [step for step, losses in found.items() if not _worse(losses, found[best])]
    most = max(alike)
    return StepChoice(most, best, fmean(found[best].values()), most == max(found))


def settings_of(curves: Sequence[LossCurve]) -> int:
    """Return the number of the lowest curve of those that the first is worse than; else 0."""
    lowest = [curve[steps_of(curve).best] for curve in curves]
    better = [n for n, one in enumerate(lowest) if _worse(lowest[0], one)]
    return min(better, key=lambda n: fmean(lowest[n].values()), default=0)


def _worse(one: Losses, other: Losses) -> bool:
    """Return whether losses are above others by more than one standard error."""
    apart = [one[key] - other[key] for key in one]
    error = stdev(apart) / len(apart) ** 0.5 if len(apart) > 1 else 0.0
    return fmean(apart) > error
