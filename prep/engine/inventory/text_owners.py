"""Which picture a text file belongs to, where their names are not spelt alike. Pure."""

import os
from collections.abc import Collection, Iterable, Iterator, MutableMapping

_KEEP = "`{}` is there already: keep one of the two"


def settle(
    sidecars: MutableMapping[str, str],
    unowned: MutableMapping[str, str],
    pictures: Collection[str],
    faulty: Collection[str],
) -> None:
    """Give each text to its picture without regard to case, and note those that none owns.

    A text is taken under another case only where one picture and one text can be meant; its file
    keeps the name that it has.

    Args:
        sidecars: As a picture's text would be named -> as the disk spells it. Changed in place.
        unowned: Filled with text -> what a person can do about it.
        pictures: Keys.
        faulty: Keys of pictures that cannot be used: what lies beside them is theirs.
    """
    # Every one of them has an ending, and there may be a million.
    bare = {key[: key.rindex(".")] for key in pictures}
    bare |= {os.path.splitext(key)[0] for key in faulty}
    strays = [name for name in sidecars if name[: name.rindex(".")] not in bare]
    if not strays:
        return
    meant = _folded((os.path.splitext(name)[0] for name in strays), bare)
    rivals = _folded(strays, strays)
    for name in strays:
        stem, suffix = os.path.splitext(name)
        owners = meant[stem.casefold()]
        own = owners[0] + suffix if len(owners) == 1 else ""
        if own and own not in sidecars and len(rivals[name.casefold()]) == 1:
            sidecars[own] = sidecars.pop(name)
    unowned.update(_advice([name for name in strays if name in sidecars], pictures, sidecars))


def _folded(wanted: Iterable[str], names: Iterable[str]) -> dict[str, list[str]]:
    """Return each wanted name without case -> those of `names` that are the same without it."""
    found: dict[str, list[str]] = {name.casefold(): [] for name in wanted}
    for name in names:
        if (folded := name.casefold()) in found:
            found[folded].append(name)
    return found


def _advice(names: list[str], pictures: Collection[str], taken: Collection[str]) -> dict[str, str]:
    """Return text -> what a person can do about it; empty where no picture comes to mind.

    Args:
        taken: Texts that are there: none is told to be put in the place of another one.
    """
    keys = {key.casefold(): key for key in pictures} if names else {}
    stems: dict[str, list[str]] = {}
    wanted = {_stem(name) for name in names}
    for key in pictures if names else ():
        if (stem := _stem(key)) in wanted:
            stems.setdefault(stem, []).append(key)
    return {name: next(_advised(name, keys, stems, taken), "") for name in names}


def _advised(
    name: str, keys: dict[str, str], stems: dict[str, list[str]], taken: Collection[str]
) -> Iterator[str]:
    bare, suffix = os.path.splitext(name)
    if bare.casefold() in keys:  # other taggers write `02.png.txt`
        own = os.path.splitext(keys[bare.casefold()])[0] + suffix
        yield _KEEP.format(own) if own in taken else f"rename it to `{own}`"
    alike = stems.get(_stem(name), [])
    if len(alike) == 1 and os.path.dirname(alike[0]) != os.path.dirname(name):
        there = os.path.splitext(alike[0])[0] + suffix
        yield _KEEP.format(there) if there in taken else f"move it beside `{alike[0]}`"


def _stem(name: str) -> str:
    """Return the last part of a path without its ending and case."""
    return os.path.splitext(os.path.basename(name))[0].casefold()
