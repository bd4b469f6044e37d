"""Two taggers as one: a vocabulary that holds both, and scores on the scale of the first. Pure.

A tagger is as sure as its thresholds say: 0.53 of one may be worth 0.26 of another. So the second
one's scores are first read on the first one's scale: its own threshold for a label becomes the
first one's, 0 and 1 stay, what lies between is stretched evenly. Then, by name and category:

- `union`: the greater of the two scores. A label that one of them knows is that one's.
- `intersection`: the lesser one. A label that only one of them knows is left out.
- `mean`: the mean, weighted by `share`. A label that one of them knows is that one's.

Ratings have no thresholds: they are averaged, weighted by `share`, whatever the way; one that
only one of them knows is that one's. A score that was not kept (under 0.01) counts as 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prep.tags.tag_text import spaced
from tagger_models.labels.label import Label
from tagger_models.scores import FLOOR, columns, packed

if TYPE_CHECKING:
    import numpy as np

WAYS = ("union", "intersection", "mean")


@dataclass(frozen=True)
class Tagger:
    """What is asked of a tagger here.

    Attributes:
        labels: Its vocabulary.
        thresholds: Category -> its own least probability.
    """

    labels: tuple[Label, ...]
    thresholds: Mapping[str, float]

    def least(self, label: Label) -> float | None:
        """Return the tagger's own threshold for a label; None where it has none."""
        if label.category == "rating":
            return None
        if label.threshold is not None:
            return label.threshold
        return self.thresholds.get(label.category)


@dataclass(frozen=True)
class Both:
    """Two vocabularies as one: all labels of the first, then those that only the second knows.

    Attributes:
        labels: Of both.
        thresholds: Category -> least probability; the first one's where both have one.
        places: For each label of the second, where it is in `labels`.
        levels: For each label of the second, its own threshold and what it becomes.
        known_to_first: How many labels the first has.
    """

    labels: tuple[Label, ...]
    thresholds: Mapping[str, float]
    places: tuple[int, ...]
    levels: tuple[tuple[float, float], ...]
    known_to_first: int


def joined(first: Tagger, second: Tagger) -> Both:
    """Return the two vocabularies as one."""
    at = {_key(label): place for place, label in enumerate(first.labels)}
    labels = list(first.labels)
    places, levels = [], []
    for label in second.labels:
        place = at.get(_key(label))
        if place is None:
            place = at[_key(label)] = len(labels)
            # Its own threshold is translated with its scores, or stands as it is.
            labels.append(Label(label.name, label.category, None, label.series))
        places.append(place)
        mine = labels[place]
        theirs, ours = second.least(label), first.least(mine)
        own = theirs if theirs is not None else 1.0
        levels.append((own, ours if ours is not None and theirs is not None else own))
    thresholds = {**second.thresholds, **first.thresholds}
    return Both(tuple(labels), thresholds, tuple(places), tuple(levels), len(first.labels))


def _key(label: Label) -> tuple[str, str]:
    return spaced(label.name), label.category


class Combiner:
    """Combines the packed scores of two taggers, picture by picture.

    Args:
        both: The vocabularies.
        way: One of WAYS.
        share: Weight of the first in a mean, 0 to 1.
    """

    def __init__(self, both: Both, way: str, share: float) -> None:
        import numpy as np

        size = len(both.labels)
        self._way, self._share, self._size = way, share, size
        self._places = np.array(both.places, np.int64)
        self._levels = np.array(both.levels, np.float16).astype(np.float64).reshape(-1, 2)
        self._rates = np.array([label.category == "rating" for label in both.labels], bool)
        self._first = np.arange(size) < both.known_to_first
        self._second = np.zeros(size, bool)
        self._second[self._places] = True

    def __call__(self, first: bytes, second: bytes) -> bytes:
        """Return the packed scores of both, by the labels of `both`."""
        import numpy as np

        ones, twos = np.zeros(self._size), np.zeros(self._size)
        ids, values = columns(first)
        ones[ids] = values
        ids, values = columns(second)
        twos[self._places[ids]] = self._translated(ids, values.astype(np.float64))
        mean = ones * self._share + twos * (1 - self._share)
        both = self._first & self._second
        way = np.where(self._rates, mean, self._mixed(ones, twos, mean))
        alone = np.where(self._first, ones, twos)
        if self._way == "intersection":
            alone = np.where(self._rates, alone, 0.0)
        found = np.where(both, way, alone)
        # Rounded as they are kept, so that a score at the floor is the same before and after.
        kept = np.flatnonzero((found.astype(np.float16) >= np.float16(FLOOR)) | self._rates)
        return packed(list(zip(kept.tolist(), found[kept].tolist(), strict=True)))

    def _mixed(self, ones: "np.ndarray", twos: "np.ndarray", mean: "np.ndarray") -> "np.ndarray":
        import numpy as np

        if self._way == "mean":
            return mean
        mixed: np.ndarray = (np.maximum if self._way == "union" else np.minimum)(ones, twos)
        return mixed

    def _translated(self, ids: "np.ndarray", values: "np.ndarray") -> "np.ndarray":
        """Return the second one's scores on the first one's scale."""
        import numpy as np

        theirs, ours = self._levels[ids, 0], self._levels[ids, 1]
        under = values * ours / np.maximum(theirs, 1e-9)
        room = np.maximum(1 - theirs, 1e-9)
        over = 1 - (1 - values) * (1 - ours) / room
        found: np.ndarray = np.where(values <= theirs, under, over).clip(0, 1)
        return found
