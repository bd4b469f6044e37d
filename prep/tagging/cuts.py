"""Which of a picture's scores are kept: fixed thresholds, or the widest gap of each picture. Pure.

A cut is a function from label ids and probabilities, shapes (K,), to the least that each of them
has to be, shape (K,). Scores are kept as float16, so thresholds are rounded alike: what equals one
is kept.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tagger_models.labels.label import Label
from tagger_models.scores import FLOOR

if TYPE_CHECKING:
    import numpy as np

Cut = Callable[["np.ndarray", "np.ndarray"], "np.ndarray"]

CUTS = ("threshold", "mcut")
_NEVER = 2.0

# Least threshold that MCut may come to: `tagging/wd14.py` of deepghs/imgutils, after the author's
# own demo. Without it, a picture of nobody has the least improbable character.
_MCUT_LEAST: Mapping[str, float] = {"character": 0.15}


def by_threshold(
    labels: Sequence[Label],
    thresholds: Mapping[str, float],
    of_labels: Mapping[str, float],
) -> Cut:
    """Return the cut of fixed thresholds.

    Args:
        labels: The vocabulary.
        thresholds: Category -> least probability; labels of other categories, and ratings, are
            never kept.
        of_labels: Label name -> its own, in place of its category's.
    """
    least = _least(labels, thresholds, of_labels)

    def cut(ids: "np.ndarray", values: "np.ndarray") -> "np.ndarray":
        found: np.ndarray = least[ids]
        return found

    return cut


def by_mcut(
    labels: Sequence[Label],
    thresholds: Mapping[str, float],
    of_labels: Mapping[str, float],
) -> Cut:
    """Return the cut at the widest gap between neighbouring probabilities of a category.

    Of equally wide gaps the upper one counts; labels whose score was not kept count as 0. The
    arguments are those of `by_threshold`; which categories there are is all it takes of theirs.

    Source:
        Largeron, Moulin and Gery 2012, "MCut: a thresholding strategy for multi-label
        classification".
    """
    import numpy as np

    least = _least(labels, thresholds, of_labels)
    free = np.array(
        [one.category in thresholds and one.name not in of_labels for one in labels], bool
    )
    names = sorted(thresholds)
    places = {name: place for place, name in enumerate(names)}
    kinds = np.array([places.get(one.category, -1) for one in labels])
    sizes = [int((kinds == kind).sum()) for kind in range(len(names))]
    bottoms = [max(_MCUT_LEAST.get(name, 0.0), FLOOR) for name in names]

    def cut(ids: "np.ndarray", values: "np.ndarray") -> "np.ndarray":
        found: np.ndarray = least[ids].astype(np.float32)
        of = kinds[ids]
        for kind, (size, bottom) in enumerate(zip(sizes, bottoms, strict=True)):
            mine = of == kind
            limit = _widest(np.sort(values[mine])[::-1].astype(np.float32), size)
            found[mine & free[ids]] = max(limit, bottom)
        return found

    return cut


def _widest(falling: "np.ndarray", size: int) -> float:
    """Return the middle of the widest gap between neighbours; 0 where there is none.

    Args:
        falling: Probabilities that were kept, the highest first, shape (K,).
        size: How many labels there are; those that are not among the K are 0.
    """
    import numpy as np

    whole = np.append(falling, np.float32(0)) if len(falling) < size else falling
    if len(whole) < 2:
        return 0.0
    widest = int((whole[:-1] - whole[1:]).argmax())
    return float(whole[widest] + whole[widest + 1]) / 2


def _least(
    labels: Sequence[Label],
    thresholds: Mapping[str, float],
    of_labels: Mapping[str, float],
) -> "np.ndarray":
    """Return the least probability of each label, float16, shape (labels,)."""
    import numpy as np

    each = [
        _NEVER
        if label.category == "rating"
        else of_labels.get(label.name, thresholds.get(label.category, _NEVER))
        for label in labels
    ]
    return np.array(each, np.float16)
