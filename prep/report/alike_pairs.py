"""Pictures that are alike, in pairs, and those of them that the split tears apart. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from prep.likeness.proposals import proposed, sentence
from prep.report.shown_picture import DROPPED, UNFIT, VALIDATION, ShownPicture
from prep.runtime.keys import first_source


class AlikePair(NamedTuple):
    """Two pictures that show the same.

    Attributes:
        picture: That which repeats the other one, or is a variant of it.
        told: What it has to do with the other one, as a sentence.
        proposed: It is proposed for dropping.
    """

    picture: ShownPicture
    other: ShownPicture
    told: str
    proposed: bool


class Leak(NamedTuple):
    """A picture for validation, and one that trains and shows the same.

    Attributes:
        why: What they have to do with each other.
    """

    kept: ShownPicture
    trained: ShownPicture
    why: str


def pairs(found: Sequence[ShownPicture]) -> list[AlikePair]:
    """Return the pairs: those that are proposed for dropping first, then variants."""
    known = {one.key: one for one in found}
    made = [
        AlikePair(
            one, known[one.like["key"]], sentence(dict(one.like)), bool(proposed(dict(one.like)))
        )
        for one in found
        if one.like is not None and one.like["key"] in known
    ]
    return sorted(made, key=lambda pair: (not pair.proposed, pair.picture.key))


def leaks(found: Sequence[ShownPicture], alike: Sequence[AlikePair]) -> list[Leak]:
    """Return the pictures for validation that repeat a trained one, or come from one picture.

    Args:
        alike: Their pairs.
    """
    made = [*_of_pairs(alike), *_of_sources(found)]
    return sorted(made, key=lambda one: (one.kept.key, one.trained.key))


def _of_pairs(alike: Sequence[AlikePair]) -> Iterator[Leak]:
    for pair in alike:
        split = sorted((pair.picture, pair.other), key=lambda one: one.place != VALIDATION)
        if _torn(*split):
            yield Leak(split[0], split[1], pair.told.replace("it ", f"{pair.picture.key} ", 1))


def _of_sources(found: Sequence[ShownPicture]) -> Iterator[Leak]:
    by_source: defaultdict[str, list[ShownPicture]] = defaultdict(list)
    for one in found:
        by_source[first_source(one.source or one.key)].append(one)
    for source, several in by_source.items():
        for kept in several:
            trained = next((one for one in several if _torn(kept, one)), None)
            if trained is not None:
                yield Leak(kept, trained, f"both were made from {source}")


def _torn(kept: ShownPicture, trained: ShownPicture) -> bool:
    return kept.place == VALIDATION and trained.place not in (VALIDATION, DROPPED, UNFIT)
