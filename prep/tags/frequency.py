"""How often tags occur in a dataset, alone and together.

pandas finds what occurs together, and is imported for that alone: counting is as quick without.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

_AT_ONCE = 5_000  # pictures whose pairs are held


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
    total, counts = 0, Counter[str]()
    for each in pictures:
        total += 1
        counts.update(each)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Often(tag, count, count / total) for tag, count in ordered]


def beside(pictures: Iterable[Collection[str]], tag: str) -> list[Often]:
    """Return the same for the other tags of those pictures that have `tag`."""
    return often([one for one in each if one != tag] for each in pictures if tag in each)


def pairs(pictures: Iterable[Collection[str]]) -> list[TagPair]:
    """Return each two tags that at least two pictures have, the most frequent first, then by name.

    A pair is named in the order of the alphabet.
    """
    total, tagged = _tagged(pictures)
    counts = tagged["tag"].value_counts(sort=False)
    several = tagged[tagged["tag"].map(counts).astype("int64") > 1]
    found = _together(several)
    chance = found["one"].map(counts).astype("float64") * found["other"].map(counts) / total
    found["lift"] = found["pictures"] / chance.astype("float64")
    found = found.sort_values(["pictures", "one", "other"], ascending=[False, True, True])
    return [
        TagPair(str(one), str(other), int(count), float(lift))
        for one, other, count, lift in _rows(found)
    ]


def _tagged(pictures: Iterable[Collection[str]]) -> "tuple[int, pd.DataFrame]":
    """Return how many pictures there are, and a row for each picture and tag."""
    import pandas as pd

    total = 0
    numbers: list[int] = []
    tags: list[str] = []
    for total, each in enumerate(pictures, start=1):
        numbers += [total] * len(each)
        tags += each
    # Categories are in the order of the alphabet: so are their codes.
    return total, pd.DataFrame({"picture": numbers, "tag": pd.Categorical(tags)})


def _together(tagged: "pd.DataFrame") -> "pd.DataFrame":
    """Return `one`, `other` and `pictures` of each two tags that two pictures have."""
    import pandas as pd

    names = tagged["tag"].cat.categories
    codes = pd.DataFrame({"picture": tagged["picture"], "code": tagged["tag"].cat.codes})
    codes = codes.astype("int64")
    counts = pd.Series(dtype="int64")
    first = int(codes["picture"].min()) if len(codes) else 0
    last = int(codes["picture"].max()) if len(codes) else -1
    for begin in range(first, last + 1, _AT_ONCE):
        some = codes[codes["picture"].between(begin, begin + _AT_ONCE - 1)]
        both = some.merge(some, on="picture", suffixes=("", "_other"))
        both = both[both["code"] < both["code_other"]]
        named = both["code"] * len(names) + both["code_other"]
        counts = counts.add(named.value_counts(), fill_value=0).astype("int64")
    counts = counts[counts > 1]
    pair = counts.index.astype("int64")
    return pd.DataFrame({
        "one": names[pair // max(1, len(names))],
        "other": names[pair % max(1, len(names))],
        "pictures": counts.to_numpy(),
    })  # fmt: skip


def _rows(found: "pd.DataFrame") -> Iterator[tuple[Any, ...]]:
    return found.itertuples(index=False, name=None)
