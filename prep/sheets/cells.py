"""Single cells: what a spreadsheet would take for something other than text, and its apostrophe.

A cell that a spreadsheet acts on gets an apostrophe in front, and loses exactly that one when it
is read: `guarded` and `unguarded` are each other's inverse.
"""

import re

# What Excel cuts a cell to, without a word; counted in UTF-16 units.
CELL_LIMIT = 32_767

FAULT = re.compile(r"#(N/A|NV|[^\W\d_][\w/]{1,11}[!?])|Err:\d+")

_LONGEST = 40  # no number or date is longer, and the patterns below need not be quick
_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")
_MONTH = (
    "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|january|february|march|april|june|july|"
    "august|sept|september|october|november|december"
)
# Figures with any punctuation: each locale has its own, and `4:5` becomes a time of day.
_FIGURES = re.compile(r"[-+($\u20ac\xa3\xa5]?\s?[.,]?\d([-\d.,:/'\s]*\d)?\s?[%):]?")
_EXPONENT = re.compile(r"[-+]?\d[\d.,]*e[-+]?\d+", re.IGNORECASE)
_DATE = re.compile(
    r"\d{1,4}-\d{1,2}-\d{1,4}[T\s]\d[\d:.]*Z?|"
    r"\d{1,4}(:\d{1,2}){0,2}(\.\d+)?\s?[ap]m|"
    rf"\d{{1,2}}[-/.\s]*({_MONTH})\.?([-/.,\s]+\d{{2,4}})?|"
    rf"({_MONTH})\.?[-/.\s]*\d{{1,4}}(,?\s+\d{{2,4}})?",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")


def meant_as(cell: str) -> str:
    """Return what a spreadsheet makes of a whole cell: `number`, `date`, `truth` or nothing."""
    text = cell.strip()
    if len(text) > _LONGEST:
        return ""
    if not _DIGIT.search(text):
        return "truth" if text.lower() in ("true", "false") else ""
    if _FIGURES.fullmatch(text):
        return "date" if set(text[1:]) & {"-", "/", ":"} else "number"
    if _EXPONENT.fullmatch(text):
        return "number"
    return "date" if _DATE.fullmatch(text) else ""


def guarded(cell: str, number: bool = False) -> str:
    """Return a cell as CSV has it: no spreadsheet calculates with it, but in columns of numbers."""
    return "'" + cell if _acted_on(cell, number) else cell


def unguarded(cell: str, number: bool = False) -> str:
    """Return the text that `guarded` made a cell of; any other apostrophe was typed by a person."""
    return cell[1:] if cell.startswith("'") and _acted_on(cell[1:], number) else cell


def units(cell: str) -> int:
    """Return the length of a cell as spreadsheets count it: in UTF-16 units."""
    return len(cell) + sum(ord(char) > 0xFFFF for char in cell)


def _acted_on(cell: str, number: bool) -> bool:
    if cell.startswith(_STARTS):
        return True
    return not number and bool(meant_as(cell) or FAULT.fullmatch(cell))
