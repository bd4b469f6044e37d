"""Which concept a picture belongs to, by the folder that it lies in. Pure."""

import re
from typing import NamedTuple
from unicodedata import category

MOST_REPEATS = 1000
_NUMBERED = re.compile(r"([0-9]+)_(.*)", re.DOTALL)
CLASS = "reg"  # kohya-ss/sd-scripts: its folder of class pictures has numbered folders, too


class FolderConcept(NamedTuple):
    """What the folder of a picture says of it.

    Attributes:
        repeats: How often its pictures are seen; 0 where the name has no such number.
        name: Of the concept; empty for none.
        words: What the pictures show, where a number stands in front of it: `10_words`.
        regularisation: Whether they show the class, not the subject.
    """

    repeats: int = 0
    name: str = ""
    words: str = ""
    regularisation: bool = False


def concept_of(key: str) -> FolderConcept:
    """Return what a key's first sub-folder says.

    The pictures of a folder `10_name` are seen ten times as often. A number that is not 1 to
    1,000, such as a date or a year, is no number of repeats but part of the concept's name; so is
    one with nothing behind it to name a concept, as in `10_`. A blank name is none. Those of
    `reg/1_name` are class pictures; any other folder `reg` is a concept like others.
    """
    first = folder_of(key)
    before, slash, last = first.rpartition("/")
    if not first or is_blank(last):
        return FolderConcept()
    numbered = _NUMBERED.fullmatch(last)
    if numbered is None or refused_repeats(last):
        return FolderConcept(name=first)
    if names_nothing(last):
        return FolderConcept(name=f"{numbered[1]}_")
    words = numbered[2]
    return FolderConcept(int(numbered[1]), before + slash + words, words, bool(before))


def folder_of(key: str) -> str:
    """Return the folder that names a key's concept: its first one, or `reg/1_name`; or none."""
    folders = key.split("/")[:-1]
    if len(folders) > 1 and folders[0] == CLASS and _is_numbered(folders[1]):
        return f"{CLASS}/{folders[1]}"
    return folders[0] if folders else ""


def _is_numbered(folder: str) -> bool:
    counted = _NUMBERED.fullmatch(folder) is not None
    return counted and not refused_repeats(folder) and not names_nothing(folder)


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
