"""How often tags occur in a dataset, alone and together. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable
from itertools import combinations
from typing import NamedTuple, TypeVar

_Named = TypeVar("_Named", str, tuple[str, str])


class Often(NamedTuple):
    """A tag and in how many pictures it is.

    Attributes:
        pictures: That have it.
        share: Of the pictures that were counted, in [0, 1].
    """

    tag: str
    pictures: int
    share: float


class TagPair(NamedTuple):
    """Two tags that occur together.

    Attributes:
        pictures: That have both.
        lift: How many times as often as by chance, if they had nothing to do with each other.
    """

    one: str
    other: str
    pictures: int
    lift: float


def often(pictures: Iterable[Collection[str]]) -> list[Often]:
    """Return each tag with its count, the most frequent first, then by name.

    Args:
        pictures: The tags of each, each once.
    """
    total, counts = _counted(pictures)
    return [Often(tag, count, count / total) for tag, count in _ordered(counts)]


def beside(pictures: Iterable[Collection[str]], tag: str) -> list[Often]:
    """Return the same for the other tags of those pictures that have `tag`."""
    return often([one for one in each if one != tag] for each in pictures if tag in each)


def pairs(pictures: Iterable[Collection[str]]) -> list[TagPair]:
    """Return each two tags that at least two pictures have, the most frequent first, then by name.

    A pair is named in the order of the alphabet.
    """
    known = [tuple(each) for each in pictures]
    total, counts = _counted(known)
    twice = {tag for tag, count in counts.items() if count > 1}
    both: Counter[tuple[str, str]] = Counter()
    for each in known:
        both.update(combinations(sorted(twice.intersection(each)), 2))
    return [
        TagPair(one, other, count, count * total / (counts[one] * counts[other]))
        for (one, other), count in _ordered(both)
        if count > 1
    ]


def _counted(pictures: Iterable[Collection[str]]) -> tuple[int, Counter[str]]:
    total, counts = 0, Counter[str]()
    for each in pictures:
        total += 1
        counts.update(each)
    return total, counts


def _ordered(counts: "Counter[_Named]") -> list[tuple[_Named, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
