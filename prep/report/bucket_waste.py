"""How full buckets are, and what batches of each size leave empty. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)

Bucket = tuple[int, int]


class Waste(NamedTuple):
    """What an epoch is like with batches of one size; each is of one bucket.

    Attributes:
        batch: Most pictures in a batch.
        batches: How many an epoch has.
        short: How many of these have fewer pictures than others.
        empty: Places that stay empty, as a share of all places, in [0, 1).
    """

    batch: int
    batches: int
    short: int
    empty: float


def filled(pictures: Iterable[tuple[Bucket, int]]) -> dict[Bucket, tuple[int, int]]:
    """Return bucket -> (pictures, showings in an epoch), the fullest first, then the narrowest.

    Args:
        pictures: The bucket of each and how often an epoch shows it.
    """
    counts: Counter[Bucket] = Counter()
    shown: Counter[Bucket] = Counter()
    for bucket, repeats in pictures:
        counts[bucket] += 1
        shown[bucket] += repeats
    order = sorted(counts, key=lambda bucket: (-counts[bucket], bucket))
    return {bucket: (counts[bucket], shown[bucket]) for bucket in order}


def wastes(shown: Mapping[Bucket, int], batches: Sequence[int] = BATCHES) -> list[Waste]:
    """Return what each batch size leaves empty; the last batch of a bucket may be short.

    Args:
        shown: Bucket -> showings in an epoch.
        batches: The sizes to look at; those above the number of showings are left out.
    """
    total = sum(shown.values())
    found = []
    for batch in batches:
        if batch > total:
            break
        number = sum(-(-count // batch) for count in shown.values())
        short = sum(count % batch > 0 for count in shown.values())
        found.append(Waste(batch, number, short, 1 - total / (number * batch)))
    return found
