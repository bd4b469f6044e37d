"""Which of the pictures of a folder repeat another one: a row for each, for a person to accept.

A row is plain values: `key`, the other picture; `kinds`, what was done to this one, as in
`prep.likeness.relation`, SAME_FILE besides; `box`, the region of this picture that matters, in px
(left, top, right, bottom), or None for all of it; `there`, the same of the other one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from prep.likeness.appearance import CELLS, INSIDE, WHOLE, inside_of, size_of, unpacked, vectors
from prep.likeness.area import ALL, Area
from prep.likeness.borders import CROPPED
from prep.likeness.candidates import candidates
from prep.likeness.relation import VARIANT, Likeness, likeness
from prep.runtime.keys import first_source

if TYPE_CHECKING:
    import numpy as np

SAME_FILE = "same file"
ALL_WITH_ALL = 6000  # pictures; of more, an index tells which ones are compared
_PLACES = ("box", "there")
_NEARLY = 0.01  # of a side
_HELD = 64  # small copies that are open at a time

Samples = Mapping[str, tuple[Any, ...]]
Row = dict[str, Any]


class _Copy(NamedTuple):
    """One picture is a copy of another one, or its variant; boxes as parts of each."""

    kinds: tuple[str, ...]
    other: str
    box: Area | None
    there: Area | None


@dataclass
class _Known:
    """What is held of all pictures while they are compared.

    Attributes:
        keys: Those that are compared with all others: of equal files, the first.
        sizes: Key -> (width, height) px.
        sources: Key -> the first picture that it was derived from, up the line.
        same: Key -> the first key with the same file.
    """

    keys: list[str] = field(default_factory=list)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)

    def rank(self, key: str) -> tuple[int, str]:
        """Return a key's place: larger pictures first, of equals the first key."""
        width, height = self.sizes[key]
        return -width * height, key

    def derived_alike(self, one: str, other: str) -> bool:
        """Return whether both were made of one picture, and so are alike on purpose."""
        return one in self.sources and self.sources[one] == self.sources.get(other)


def proposals(samples: Samples) -> dict[str, Row | None]:
    """Return a row for each key: the picture that it repeats or is a variant of; None for neither.

    Nothing here depends on the order of the samples. Pictures derived from one source are never
    related. Of copies, the one stays that has no writing over it, then that without a border, then
    that which shows most, then the larger one, then the first key.

    Args:
        samples: Key -> its packed appearance, the digest of its file, its lineage or None.
    """
    import numpy as np

    known, ends, inside = _read(samples)
    copies: dict[str, list[_Copy]] = {}
    variants: dict[str, list[_Copy]] = {}
    data = lru_cache(maxsize=_HELD)(lambda key: samples[key][0])
    seen = lru_cache(maxsize=_HELD)(lambda key: unpacked(data(key)))

    def read(places: range) -> "np.ndarray[Any, Any]":
        return np.stack([vectors(data(known.keys[place])) for place in places])

    for pair in candidates(ends, inside, read, index=len(samples) > ALL_WITH_ALL):
        inner, outer = known.keys[pair.inner], known.keys[pair.outer]
        if known.derived_alike(inner, outer):
            continue
        found = likeness(pair, seen(inner), seen(outer))
        if found is not None:
            key, copy = _placed(known, inner, outer, found)
            (variants if found.kinds == (VARIANT,) else copies).setdefault(key, []).append(copy)
    chosen = _chosen(known, copies)
    for key, several in variants.items():
        if key not in chosen:
            chosen[key] = min(several, key=lambda copy: known.rank(copy.other))
    rows = {key: _row(known, key, copy) for key, copy in chosen.items()}
    rows |= {key: _row(known, key, _Copy((SAME_FILE,), first, None, None))
             for key, first in known.same.items()}  # fmt: skip
    return {key: rows.get(key) for key in sorted(samples)}


def remark(num: int) -> str:
    """Return what a person should know of how so many pictures are compared; empty for nothing."""
    if num <= ALL_WITH_ALL:
        return ""
    return (
        f"of more than {ALL_WITH_ALL:,} pictures not all pairs are compared, so that a few copies"
        " that were cropped or have a border may be missed (docs/duplicates.md)"
    )


def proposed(row: Row | str | None) -> str:
    """Return the copy that a row proposes to drop the picture as; empty where it proposes nothing.

    Args:
        row: In folders that an earlier version looked at, the other key alone.
    """
    if row is None or isinstance(row, str):
        return row or ""
    return "" if row["kinds"] == [VARIANT] else f"{row['key']} ({', '.join(row['kinds'])})"


def sentence(row: Row | str | None) -> str:
    """Return what a row says, for a person."""
    if row is None or isinstance(row, str):
        return f"it repeats {row}" if row else ""
    (box, there) = ("{}, {} to {}, {} px".format(*row[at]) if row[at] else "" for at in _PLACES)
    if row["kinds"] == [VARIANT]:
        return f"it is a variant of {row['key']}: it differs {f'at {box}' if box else 'all over'}"
    place = f", from {there} of it" if CROPPED in row["kinds"] and there else ""
    place = place or (f", at {box}" if box else "")
    return f"it repeats {row['key']}: {' and '.join(row['kinds'])}{place}"


def _read(samples: Samples) -> tuple[_Known, "np.ndarray[Any, Any]", dict[int, Area]]:
    """Return what is held of the pictures, and the ends and insides of those to be compared."""
    import numpy as np

    known, ends, inside = _Known(), bytearray(), {}
    first: dict[str, str] = {}
    for key in sorted(samples):
        data, digest, lineage = samples[key]
        known.sizes[key] = size_of(data)
        if lineage:
            known.sources[key] = first_source(lineage["key"])
        if digest in first and not known.derived_alike(key, first[digest]):
            known.same[key] = first[digest]
            continue
        first.setdefault(digest, key)
        if (area := inside_of(data)) != ALL:
            inside[len(known.keys)] = area
        known.keys.append(key)
        ends += vectors(data)[[WHOLE, INSIDE]].tobytes()
    return known, np.frombuffer(ends, np.int8).reshape(len(known.keys), 2, CELLS**2), inside


def _placed(known: _Known, inner: str, outer: str, found: Likeness) -> tuple[str, _Copy]:
    """Return which of two pictures has the row, and what the row says."""
    repeats = found.inner
    if repeats is None:
        repeats = known.rank(inner) > known.rank(outer)
    if repeats:
        return inner, _Copy(found.kinds, outer, found.inner_area, found.outer_area)
    return outer, _Copy(found.kinds, inner, found.outer_area, found.inner_area)


def _chosen(known: _Known, copies: Mapping[str, Sequence[_Copy]]) -> dict[str, _Copy]:
    """Return for each copy one that it is of: one that stays, where there is one.

    No picture is dropped for one that is dropped for it, over however many others.
    """
    chosen: dict[str, _Copy] = {}
    for key in sorted(copies, key=known.rank):
        order = sorted(copies[key], key=lambda copy: (copy.other in copies, known.rank(copy.other)))
        for copy in order:
            at: str | None = copy.other
            while at is not None and at != key:
                at = chosen[at].other if at in chosen else None
            if at is None:
                chosen[key] = copy
                break
    return chosen


def _row(known: _Known, key: str, copy: _Copy) -> Row:
    return {
        "key": copy.other,
        "kinds": list(copy.kinds),
        "box": _pixels(copy.box, known.sizes[key]),
        "there": _pixels(copy.there, known.sizes[copy.other]),
    }


def _pixels(area: Area | None, size: tuple[int, int]) -> list[int] | None:
    """Return an area in px of a picture; None for all of it, or nearly."""
    if area is None or max(area.left, area.top, 1 - area.right, 1 - area.bottom) < _NEARLY:
        return None
    return list(area.pixels(size))
