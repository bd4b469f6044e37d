"""Which concept a picture belongs to, by the folder that it lies in. Pure."""

import re

_REPEATS = re.compile(r"(\d+)_(.+)")


def concept_of(key: str) -> tuple[int, str]:
    """Return the repeats and the concept that a key's first sub-folder names; 0 and "" without.

    The pictures of a folder `10_name` are seen ten times as often.
    """
    first, slash, _ = key.partition("/")
    numbered = _REPEATS.fullmatch(first)
    if not slash:
        return 0, ""
    return (int(numbered[1]), numbered[2]) if numbered else (0, first)
