"""A tagger's scores -> tags: which labels, as what text, in what order. Pure; no inference.

What depends on the vocabulary alone is worked out once (`renderer`); a picture then costs some
tens of microseconds.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prep.runtime.errors import no_such
from prep.tagging.cuts import by_mcut, by_threshold
from prep.tags.tag_text import BLOCKS, KAOMOJI, block, canonical, parsed, spaced
from tagger_models.labels.label import Label
from tagger_models.scores import columns

if TYPE_CHECKING:
    import numpy as np

# Those of BLOCKS, and the categories of other taggers, which come last unless they are named.
_KNOWN_BLOCKS = (*BLOCKS, "lore", "model", "year")

SERIES = ("no", "known", "name")

_LAST_BRACKETS = re.compile(r"_\(([^()]+)\)$")
# What stands in a character's last brackets and is no series, though several characters share it.
_NO_SERIES = re.compile(r".*(costume|uniform|outfit|style|ver\.)|series|character|(fe)?male|casual")


@dataclass(frozen=True)
class Style:
    """How scores become tags.

    Attributes:
        thresholds: Category -> least probability that is kept, itself included; the labels of
            other categories are left out.
        of_labels: Label name -> its own threshold, in place of its category's and of any cut.
        cut: `threshold`, or `mcut`: in each picture and category, what lies above the widest gap
            between neighbouring probabilities.
        most: Most tags, the most probable, whatever their category; 0 for any number. The rating
            and added series do not count.
        rating: The most probable rating is a tag as well.
        rating_least: Least probability of that rating; below, there is none.
        order: Blocks in their order; a category that is not named comes last.
        underscores: Labels keep them.
        faces: Labels that keep them anyway.
        series: Add the series of each character: `no`, `known` (where the label file tells it),
            or `name` (else from the last brackets of the character's name).
    """

    thresholds: Mapping[str, float]
    of_labels: Mapping[str, float] = field(default_factory=dict)
    cut: str = "threshold"
    most: int = 0
    rating: bool = False
    rating_least: float = 0.0
    order: Sequence[str] = BLOCKS
    underscores: bool = False
    faces: frozenset[str] = KAOMOJI
    series: str = "no"


def renderer(labels: Sequence[Label], style: Style) -> Callable[[bytes], list[str]]:
    """Return a function from a picture's packed scores to its tags.

    Tags come block by block, the most probable first; equal probabilities keep label order. Each
    tag comes once, at its first place.
    """
    makes = by_mcut if style.cut == "mcut" else by_threshold
    cut = makes(labels, style.thresholds, style.of_labels)
    rating = _rating(labels, style)
    places = {name: place for place, name in enumerate(style.order)}
    last = len(places)
    names = [as_tag(label, style.underscores, style.faces) for label in labels]
    at = [places.get(block(spaced(label.name), label.category), last) for label in labels]
    series = series_of(labels, style)
    beside = places.get("copyright", last)

    def rendered(scores: bytes) -> list[str]:
        ids, values = columns(scores)
        kept = (values >= cut(ids, values)).nonzero()[0]
        found = list(zip(ids[kept].tolist(), values[kept].tolist(), strict=True))
        if 0 < style.most < len(found):
            found = sorted(found, key=lambda pair: (-pair[1], pair[0]))[: style.most]
        rows = [(at[index], -score, index, names[index]) for index, score in found]
        if series:
            rows += [
                (beside, -score, index, name)
                for index, score in found
                for name in series.get(index, ())
            ]
        if rating is not None and (best := rating(ids, values)) is not None:
            rows.append((at[best], -math.inf, best, names[best]))
        rows.sort()
        return list(dict.fromkeys([tag for *_, tag in rows]))

    return rendered


def checked_order(text: str) -> tuple[str, ...]:
    """Return the blocks that a text names, separated by commas.

    Raises:
        ConfigError: One is not known.
    """
    names = parsed(text)
    for name in names:
        if name not in _KNOWN_BLOCKS:
            raise no_such("block of tags", name, _KNOWN_BLOCKS)
    return names


def as_tag(label: Label, underscores: bool, faces: frozenset[str]) -> str:
    """Return a label's name as a tag is written, see `Style`."""
    return canonical(label.name) if underscores else spaced(label.name, faces)


def series_of(labels: Sequence[Label], style: Style) -> dict[int, tuple[str, ...]]:
    """Return index of a character's label -> the series to be added with it, as tags.

    By name, the last brackets count that at least two characters have, known costumes and the
    like left out: `abigail_williams_(traveling_outfit)_(fate)` is of `fate`, and
    `kaga_(battleship)` of nothing.
    """
    if style.series == "no":
        return {}
    found = {i: label.series for i, label in enumerate(labels) if label.series}
    if style.series == "name":
        last = {
            i: match[1]
            for i, label in enumerate(labels)
            if label.category == "character" and (match := _LAST_BRACKETS.search(label.name))
        }
        counts = Counter(last.values())
        for i, name in last.items():
            if counts[name] > 1 and not _NO_SERIES.fullmatch(name):
                found.setdefault(i, (name,))
    return {
        i: tuple(name if style.underscores else spaced(name, style.faces) for name in names)
        for i, names in found.items()
    }


def _rating(
    labels: Sequence[Label], style: Style
) -> Callable[["np.ndarray", "np.ndarray"], int | None] | None:
    """Return a function from scores to the label of the rating to add, if there is one to add."""
    import numpy as np

    if not style.rating:
        return None
    rates = np.array([label.category == "rating" for label in labels])
    least = np.float16(style.rating_least)

    def best(ids: "np.ndarray", values: "np.ndarray") -> int | None:
        mine = rates[ids].nonzero()[0]
        if not len(mine):
            return None
        at = mine[values[mine].argmax()]
        return int(ids[at]) if values[at] >= least else None

    return best
