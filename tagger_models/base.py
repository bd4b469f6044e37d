"""What a tagger is. Knows no model and no library that runs one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image


@dataclass(frozen=True)
class Label:
    """One entry of a tagger's vocabulary.

    Attributes:
        name: As the label file spells it: underscores kept, nothing escaped.
        category: general, character, rating, artist, copyright, meta or year. The rating that is
            called `general` is not of the category general. An e621 tagger has species and lore,
            too, a few models quality and model.
        threshold: Least probability that the label file itself gives for this label; None where
            it gives none.
        series: The works a character belongs to, as labels spell them; where the file says so.
    """

    name: str
    category: str
    threshold: float | None = None
    series: tuple[str, ...] = ()


class Tagger(Protocol):
    """Scores pictures against a fixed vocabulary."""

    @property
    def labels(self) -> tuple[Label, ...]:
        """The vocabulary, in the order of the columns of `score`."""

    @property
    def batch(self) -> int | None:
        """How many pictures the graph takes at once, or None where it takes any number."""

    def score(self, images: Sequence["Image.Image"]) -> "np.ndarray":
        """Return the probabilities of upright RGB images, shape (N, labels), float32 in [0, 1]."""
