"""Rows of a review sheet that has no columns but its own."""

from dataclasses import replace

from prep.sheets.columns import WORDS
from prep.sheets.row import Row

COLUMNS = ("key", "revision", *WORDS)


def row_of(key: str, revision: str = "", **cells: str) -> Row:
    """Return a row with some cells, the others empty."""
    return Row(key, dict.fromkeys(WORDS, "") | cells, WORDS, revision)


def changed(row: Row, **cells: str) -> Row:
    """Return a row with other cells, or another key or revision."""
    own = {name: cells.pop(name) for name in ("key", "revision") if name in cells}
    return replace(row, cells={**row.cells, **cells}, **own)


def texts_of(row: Row) -> tuple[str, ...]:
    """Return the cells of a row in the order of the header."""
    return (row.key, row.revision, *row.cells.values())
