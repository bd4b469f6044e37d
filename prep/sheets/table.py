"""A table of text, from whatever file, -> rows: columns by name, every mistake at once."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from prep.errors import DatasetError
from prep.sheets.cells import unguarded
from prep.sheets.row import COLUMNS, EDITABLE, Row, digest, revision

# Columns beside those of a row: the tags of one category, and what is shown and never read.
TAGS, SCORES, PICTURE = " tags", " scores", "picture"
# What tells the long form from a sheet.
LONG_COLUMNS = ("key", "position", "tag", "category", "score", "kept")

# One that was edited is never overwritten: it has to go first.
AGAIN = "undo that, or move the sheet away and run `prep review export`"
_ONE_LINE = ("key", "revision", "keep", "rating", "concept", "weight")
_SHOWN = 20
_BESIDE = "delete what stands beside the columns, or put quotes around a cell with commas"

Mistake = tuple[str, str]


@dataclass(frozen=True)
class Record:
    """One row as it was found.

    Attributes:
        where: For messages: `tags.csv` row 3.
        cells: As many as the row has.
        formulas: Places in `cells` of what a spreadsheet calculated.
    """

    where: str
    cells: Sequence[str]
    formulas: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Table:
    """One worksheet: its header and the rows below, the empty ones left out.

    Attributes:
        name: For messages.
    """

    name: str
    header: Sequence[str]
    records: Sequence[Record]


@dataclass(frozen=True)
class Found:
    """One row of a sheet that came back.

    Attributes:
        where: For messages: `tags.csv` row 3.
        categories: Category -> the cell of its tags; empty where the sheet has no such columns.
        formulas: Columns whose cell was calculated.
    """

    row: Row
    where: str
    categories: Mapping[str, str] = field(default_factory=dict)
    formulas: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Sheet:
    """What a file held, and how it was read.

    Attributes:
        read_as: For a person: `UTF-8, separated by commas`.
        lossy: The file's encoding may have put `?` for letters that it lacks.
    """

    found: tuple[Found, ...]
    read_as: str
    lossy: bool = False

    def rows(self) -> tuple[Row, ...]:
        """Return the rows alone."""
        return tuple(found.row for found in self.found)


def sheet_of(tables: Iterable[Table], name: str, read_as: str, lossy: bool = False) -> Sheet:
    """Return the rows of all tables; keys are put in NFC.

    Raises:
        DatasetError: All mistakes at once: columns missing, renamed or unknown, keys missing or
            twice, more cells than columns, lines where none can be. Or it is the long form.
    """
    found: list[Found] = []
    mistakes: list[Mistake] = []
    for table in tables:
        columns = [column.strip() for column in table.header]
        while columns and not columns[-1]:
            columns.pop()
        _check_columns(columns, table.name)
        for record in table.records:
            one, wrong = _found(columns, record)
            found.append(one)
            mistakes += wrong
    stop(mistakes + _twice(found, name))
    return Sheet(tuple(found), read_as, lossy)


def stop(mistakes: Sequence[Mistake]) -> None:
    """Raise DatasetError where there are mistakes; the first twenty are told."""
    if mistakes:
        more = len(mistakes) - _SHOWN
        rest = [(f"... and {more} more like these", "mend these first")] if more > 0 else []
        raise DatasetError(*mistakes[0], others=[*mistakes[1:_SHOWN], *rest])


def _check_columns(columns: Sequence[str], name: str) -> None:
    if set(LONG_COLUMNS) <= {*columns} and "revision" not in columns:
        raise DatasetError(
            f"`{name}` is the long form, which is only looked at",
            "edit tags.csv or tags.xlsx, and import that",
        )
    if not {*COLUMNS} & {*columns}:
        raise DatasetError(
            f"`{name}` is not a sheet: its first row names none of the columns",
            "delete what stands above their names, or name another file",
        )
    stop(_column_mistakes(columns, name))


def _column_mistakes(columns: Sequence[str], name: str) -> list[Mistake]:
    ours = (TAGS, SCORES, PICTURE)
    missing = [column for column in COLUMNS if column not in columns]
    unknown = [c for c in columns if c not in COLUMNS and not c.endswith(ours)]
    mistakes = []
    for column in missing:
        near = get_close_matches(column, unknown, n=1)
        hint = f"rename `{near[0]}` back to `{column}`" if near else AGAIN
        unknown = [other for other in unknown if other not in near]
        mistakes.append((f"`{name}` has no column `{column}`", hint))
    for column in unknown:
        hint = "delete it; remarks go into `notes`"
        what = f"an unknown column `{column}`" if column else "a column without a name"
        mistakes.append((f"`{name}` has {what}", hint))
    for column, count in Counter(columns).items():
        if count > 1 and column not in unknown:
            mistakes.append((f"`{name}` has the column `{column}` twice", "delete one of the two"))
    return mistakes


def _found(columns: Sequence[str], record: Record) -> tuple[Found, list[Mistake]]:
    cells = dict(zip(columns, record.cells, strict=False))
    values = _plain({name: cells.get(name, "") for name in COLUMNS})
    categories = {
        name.removesuffix(TAGS): cells.get(name, "") for name in columns if name.endswith(TAGS)
    }
    formulas = frozenset(columns[at] for at in record.formulas if at < len(columns))
    where = record.where
    mistakes = [
        (
            f"{where}, column `{name}`: it holds several lines",
            "look for a quote without its partner",
        )
        for name in _ONE_LINE
        if "\n" in values[name] or "\r" in values[name]
    ]
    if any(record.cells[len(columns) :]):
        mistakes.append((f"{where} has more cells than columns", _BESIDE))
    if not values["key"]:
        mistakes.append((f"{where} has no key", "delete the row, or undo what emptied its key"))
    return Found(Row(**values), where, categories, formulas), mistakes


def _plain(cells: Mapping[str, str]) -> dict[str, str]:
    """Return cells without the apostrophes that CSV has in front of what is acted on.

    XLSX has none, until a sheet went from one to the other: a cell that says what was exported is
    left as it is.
    """
    known = revision(Row(cells["key"], cells["revision"]))
    values = {
        name: cell
        if known and name in EDITABLE and digest(name, cell) == known.cells[name]
        else unguarded(cell, name)
        for name, cell in cells.items()
    }
    return values | {"key": unicodedata.normalize("NFC", values["key"])}


def _twice(found: Iterable[Found], name: str) -> list[Mistake]:
    count = Counter(one.row.key for one in found if one.row.key)
    return [
        (f"`{name}` has {num} rows for `{key}`", "keep one of them")
        for key, num in count.items()
        if num > 1
    ]
