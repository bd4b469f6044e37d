"""Which concept a picture belongs to, by the folder that it lies in. Pure."""

import re

MOST_REPEATS = 1000
_NUMBERED = re.compile(r"([0-9]+)_(.+)")


def concept_of(key: str) -> tuple[int, str]:
    """Return the repeats and the concept that a key's first sub-folder names; 0 and "" without.

    The pictures of a folder `10_name` are seen ten times as often. A number that is not 1 to
    1,000, such as a date or a year, is no number of repeats but part of the concept's name.
    """
    first, slash, _ = key.partition("/")
    if not slash:
        return 0, ""
    numbered = _NUMBERED.fullmatch(first)
    if numbered is None or refused_repeats(first):
        return 0, first
    return int(numbered[1]), numbered[2]


def refused_repeats(folder: str) -> bool:
    """Return whether a folder's name begins with a number that is no number of repeats."""
    numbered = _NUMBERED.fullmatch(folder)
    digits = numbered[1].lstrip("0") if numbered else ""
    # A number of thousands of digits is not even turned into one.
    return numbered is not None and not (len(digits) <= 4 and 1 <= int(digits or 0) <= MOST_REPEATS)
