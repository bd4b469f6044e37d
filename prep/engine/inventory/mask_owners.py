"""Which picture a mask belongs to: `x.mask.png` lies over `x.jpg`, and is no picture. Pure."""

import os
import re
from collections.abc import Collection, Iterable, Iterator, MutableMapping, Sequence

from prep.runtime.keys import nfc, shown
from prep.stage import MASK_SUFFIX

_NONE = "it is a mask, and there is no picture `{}`: move it away, or give it another name"
_TWO = "it is a mask, and `{}` is there already: keep one of the two"
_ALMOST = re.compile(r"(.+)[._ -]mask", re.IGNORECASE | re.DOTALL)


def is_mask(name: str) -> bool:
    """Return whether a file is a mask by its name."""
    return name.lower().endswith(MASK_SUFFIX)


def settle(
    names: Collection[str],
    pictures: MutableMapping[str, str],
    masks: MutableMapping[str, str],
    faulty: MutableMapping[str, str],
) -> Iterator[str]:
    """Give each mask to its picture, spelt alike or else without regard to case.

    A mask that no picture has is faulty. So is a picture whose mask cannot be used: as it is it
    would train whole.

    Args:
        names: Masks, as the disk spells them; those that cannot be used are in `faulty`.
        pictures: Key -> path; changed in place.
        masks: Filled with key -> mask.
        faulty: Filled with key, or mask -> what is wrong with it.

    Yields:
        The files that nobody reads any more.
    """
    if not names:
        return
    stems: dict[str, list[str]] = {}
    folded: dict[str, list[str]] = {}
    for key in pictures:
        stem = key[: key.rindex(".")]
        stems.setdefault(stem, []).append(key)
        folded.setdefault(stem.casefold(), []).append(key)
    unusable = {os.path.splitext(key)[0] for key in faulty}
    for name in sorted(names, key=lambda one: (nfc(one)[: -len(MASK_SUFFIX)] not in stems, one)):
        stem = nfc(name)[: -len(MASK_SUFFIX)]
        owners = stems.get(stem) or folded.get(stem.casefold(), [])
        if why := faulty.pop(shown(name), ""):
            faulty.update({key: f"its mask `{shown(name)}`: {why}" for key in owners})
            yield from (pictures.pop(key) for key in owners)
        elif not owners and stem in unusable:  # it is told of its picture
            yield name
        elif not owners or (twin := masks.get(owners[0])):
            why = _TWO.format(twin) if owners else _NONE.format(f"{stem}.*")
            faulty[shown(name)] = why
            yield name
        else:
            masks.update(dict.fromkeys(owners, name))


def almost(pictures: Iterable[str]) -> list[str]:
    """Return the keys of pictures that are called like the mask of another one, but not quite."""
    stems = {key: os.path.splitext(key)[0] for key in pictures}
    there = {stem.casefold() for stem in stems.values()}
    found = ((key, _ALMOST.fullmatch(stem)) for key, stem in stems.items())
    return sorted(key for key, name in found if name and name[1].casefold() in there)


def almost_lines(keys: Sequence[str]) -> list[str]:
    """Return the line that tells of such pictures; none where there are none."""
    name = _ALMOST.fullmatch(os.path.splitext(keys[0])[0]) if keys else None
    if name is None:
        return []
    more = len(keys) - 1
    what = f"and {more} more look like masks, and are pictures"
    what = what if more else "looks like a mask, and is a picture"
    return [f"`{keys[0]}` {what}; a mask is called `{name[1]}{MASK_SUFFIX}`"]
