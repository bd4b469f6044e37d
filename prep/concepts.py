"""Which concept a picture belongs to, by the folder that it lies in. Pure."""

import re
from unicodedata import category

MOST_REPEATS = 1000
_NUMBERED = re.compile(r"([0-9]+)_(.*)", re.DOTALL)


def concept_of(key: str) -> tuple[int, str]:
    """Return the repeats and the concept that a key's first sub-folder names; 0 and "" without.

    The pictures of a folder `10_name` are seen ten times as often. A number that is not 1 to
    1,000, such as a date or a year, is no number of repeats but part of the concept's name; so is
    one with nothing behind it to name a concept, as in `10_`. A blank name is none.
    """
    first, slash, _ = key.partition("/")
    if not slash or is_blank(first):
        return 0, ""
    numbered = _NUMBERED.fullmatch(first)
    if numbered is None or refused_repeats(first):
        return 0, first
    if names_nothing(first):
        return 0, f"{numbered[1]}_"
    return int(numbered[1]), numbered[2]


def refused_repeats(folder: str) -> bool:
    """Return whether a folder's name begins with a number that is no number of repeats."""
    numbered = _NUMBERED.fullmatch(folder)
    digits = numbered[1].lstrip("0") if numbered else ""
    # A number of thousands of digits is not even turned into one.
    return numbered is not None and not (len(digits) <= 4 and 1 <= int(digits or 0) <= MOST_REPEATS)


def names_nothing(folder: str) -> bool:
    """Return whether a folder's name has a number as of repeats, and nothing that shows behind."""
    numbered = _NUMBERED.fullmatch(folder)
    return numbered is not None and is_blank(numbered[2])


def is_blank(name: str) -> bool:
    """Return whether nothing of a name shows: it is empty, spaces, or marks without a width."""
    return all(char.isspace() or category(char) in ("Cf", "Cc") for char in name)
