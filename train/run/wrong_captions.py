"""Captions that may be wrong: with them a picture is harder to see than without any text. Pure.

A caption that is true of a picture lowers its loss; one that is true of another raises it. Before
anything is learnt the base model says so of each picture: the logarithm of its loss with its text
over that without any, at the same noise, is compared over the pictures as in `memorised`. Measured
by `benchmarks.wrong_captions`.

Source: the likelihood of texts by the loss of a diffusion model: Li et al. 2023 ("Your Diffusion
Model is Secretly a Zero-Shot Classifier"), equation 5.
"""

from typing import NamedTuple

from train.run.fixed_losses import Measured
from train.run.memorised import falls

DOUBT = 2.5  # deviations above the median
_HARM = 1.02  # a loss above that without any text by so much is no rounding


class Doubt(NamedTuple):
    """What the base model thinks of a picture's text.

    Attributes:
        ratio: Loss with it over loss without any, a geometric mean over its times.
        distance: From what is usual, in deviations; positive: it helps less.
    """

    key: str
    ratio: float
    distance: float

    def stands_out(self) -> bool:
        """Return whether it makes the picture harder to see, and chance does not do that."""
        return self.ratio > _HARM and self.distance > DOUBT

    def told(self) -> str:
        """Return the same as a sentence."""
        return (
            f"the caption of `{self.key}` may be wrong: the base model finds the picture "
            f"{100 * (self.ratio - 1):.0f} % harder to see with it than without any text"
        )


def doubts(row: Measured) -> list[Doubt]:
    """Return what is known of the texts of pictures, the most doubtful first; none of too few.

    Args:
        row: What was measured before anything was learnt.
    """
    each = [Doubt(*fall) for fall in falls(row.textless, row.trained)]
    return sorted(each, key=lambda one: (-one.distance, one.key))
