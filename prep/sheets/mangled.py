"""What a spreadsheet does to cells by itself: told from what a person typed. Pure.

Only cells that differ from what was exported are looked at, so nothing that was exported is ever
called damaged.
"""

import re
from collections.abc import Iterator

from prep.runtime import text_files
from prep.sheets.cells import CELL_LIMIT, FAULT, meant_as, units
from prep.sheets.columns import Kind
from prep.sheets.mistakes import Mistake

UNICODE = 'save it as "CSV UTF-8"'

# Where Excel, older programs and LibreOffice cut a cell, in UTF-16 units.
_CUTS = (255, 1_024, CELL_LIMIT, 65_535)
# Where a number or date was hardly meant.
_WORDS = (Kind.TAGS, Kind.CAPTION, Kind.NAME)
_STRAIGHT = {
    "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"',
    "\u2013": "-", "\u2014": "--", "\u2026": "...", "\xa9": "(c)", "\xae": "(r)", "\u2122": "(tm)",
    "\xab": '"', "\xbb": '"', "\xbd": "1/2", "\xbc": "1/4", "\xbe": "3/4", "\u2192": "->",
}  # fmt: skip

_LOST = r"(?:[^\x00-\x7f]|\?)"  # what a question mark may have been


def mistakes(kind: Kind, cell: str, was: str | None = None, lossy: bool = False) -> list[Mistake]:
    """Return what is wrong with an edited cell, as message and hint; nothing if a person did it.

    Args:
        kind: What its column holds; tags also for the tags of one category.
        cell: What the sheet says.
        was: What was exported, where that is known.
        lossy: The file's encoding may have put `?` for letters that it lacks.
    """
    letters = [*_characters(cell), *_lost(cell, was, lossy)]
    return [
        *_calculated(kind, cell),
        *_cut(cell, was),
        *(letters or _corrected(kind, cell, was)),
    ]


def _calculated(kind: Kind, cell: str) -> Iterator[Mistake]:
    meant = meant_as(cell)
    if FAULT.fullmatch(cell.strip()):
        yield f"the spreadsheet made `{cell}` of the text", "type it again with a `'` in front"
    elif meant and kind in _WORDS:
        word = {"number": "number", "date": "date", "truth": "truth value"}[meant]
        yield f"`{cell}` may be a {word} that the spreadsheet made", f"if not, type `''{cell}`"


def _cut(cell: str, was: str | None) -> Iterator[Mistake]:
    length = units(cell)
    shorter = was is not None and was != cell and was.startswith(cell)
    # A pair of UTF-16 units is not cut in two.
    near = any(length in (cut, cut - 1) for cut in _CUTS)
    if length in (CELL_LIMIT, CELL_LIMIT - 1) or (near and shorter):
        yield f"the spreadsheet cut the text at {length} characters", "shorten it in its sidecar"


def _characters(cell: str) -> Iterator[Mistake]:
    again = f"type it again and {UNICODE}"
    if "\ufffd" in cell:
        yield "U+FFFD stands where a character was lost", again
    elif (meant := unmixed(cell)) is not None:
        yield f"`{cell}` is `{meant}` in a wrong code page", again
    if (bad := sorted(set(cell) - set(text_files.without_controls(cell)))) != []:
        yield f"it holds the control character U+{ord(bad[0]):04X}", "delete it"


def unmixed(cell: str) -> str | None:
    """Return the text whose UTF-8 was read in another code page; None where there is none."""
    if cell.isascii():
        return None
    for codec in ("cp1252", "mac_roman", "cp932"):
        data = _bytes_in(cell, codec)
        if data is None:
            continue
        try:
            text = data.decode()
        except UnicodeDecodeError:
            continue
        if len(text) < len(cell):
            return text
    return None


def _bytes_in(cell: str, codec: str) -> bytes | None:
    """Return a text in a code page; cp1252 passes on the five bytes that it has no letter for."""
    found = b""
    for char in cell:
        try:
            found += char.encode(codec)
        except UnicodeEncodeError:
            if codec != "cp1252" or not "\x80" <= char <= "\x9f":
                return None
            found += char.encode("latin-1")
    return found


def _lost(cell: str, was: str | None, lossy: bool) -> Iterator[Mistake]:
    if "?" not in cell:
        return
    pattern = "".join(_LOST if char == "?" else re.escape(char) for char in cell)
    replaced = was is not None and was != cell and re.fullmatch(pattern, was)
    if replaced or (was is None and lossy and "???" in cell):
        yield f"`{cell}`: were its characters lost?", UNICODE


def _corrected(kind: Kind, cell: str, was: str | None) -> Iterator[Mistake]:
    new = [sign for sign in _STRAIGHT if sign in cell and sign not in (was or "")]
    if not new:
        return
    straight = cell
    for sign in new:
        straight = straight.replace(sign, _STRAIGHT[sign])
    alone = was is not None and straight in (was, was.replace("--", "-"))
    if alone or kind is Kind.TAGS:
        yield (
            f"the spreadsheet's autocorrection made `{new[0]}` of `{_STRAIGHT[new[0]]}`",
            "undo it there, and switch autocorrection off",
        )
