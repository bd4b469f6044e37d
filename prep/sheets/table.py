"""A table of text, from whatever file, -> rows: columns by name, every mistake at once."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from prep.runtime.errors import DatasetError
from prep.sheets.cells import unguarded
from prep.sheets.columns import WORDS, Columns, Kind
from prep.sheets.mistakes import Mistake, Mistakes, shortened
from prep.sheets.row import Row, revision

# Columns beside those of a row: the tags of one category, and what is shown and never read.
TAGS, SCORES, PICTURE = " tags", " scores", "picture"
# What tells whose row it is, and what was exported.
TELLING = ("key", "revision")
# What tells the long form from a sheet.
LONG_COLUMNS = ("key", "position", "tag", "category", "score", "kept")

# One that was edited is never overwritten: it has to go first.
AGAIN = "undo that, or move the sheet away and run `prep review export`"
_MOST_KEYS, _MOST_TWICE = 1_000_000, 1_000
_BESIDE = "delete what stands beside the columns, or put quotes around a cell with commas"


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
        records: May be read but once.
    """

    name: str
    header: Sequence[str]
    records: Iterable[Record]


@dataclass(frozen=True)
class ReturnedRow:
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
class ReturnedSheet:
    """What a file held, and how it was read.

    Attributes:
        found: Its rows. Those of a file are read while they are asked for, once: none of them is
            held here, and DatasetError is raised where they end if any is wrong, see `sheet_of`.
        read_as: For a person: `UTF-8, separated by commas`.
        lossy: The file's encoding may have put `?` for letters that it lacks.
        typed: Its cells are as a person typed them: no spreadsheet was at them.
    """

    found: Iterable[ReturnedRow]
    read_as: str
    lossy: bool = False
    typed: bool = False

    def rows(self) -> tuple[Row, ...]:
        """Return the rows alone."""
        return tuple(found.row for found in self.found)


def sheet_of(
    tables: Iterable[Table], name: str, read_as: str, columns: Columns, lossy: bool = False
) -> ReturnedSheet:
    """Return the rows of all tables, as they are read; keys are put in NFC.

    Columns that stages declare may be missing: the sheet may be from before they did.

    Raises:
        DatasetError: Columns are missing, renamed or unknown, or it is the long form. By the rows
            at their end, all mistakes at once: keys missing or twice, more cells than columns,
            lines where none can be.
    """
    read = []
    for table in tables:
        header = [column.strip() for column in table.header]
        while header and not header[-1]:
            header.pop()
        _check_header(header, table.name, columns)
        read.append((header, table.records))
    return ReturnedSheet(_rows_of(read, name, columns), read_as, lossy)


def _rows_of(
    tables: Iterable[tuple[Sequence[str], Iterable[Record]]], name: str, columns: Columns
) -> Iterator[ReturnedRow]:
    mistakes, keys = Mistakes(), _Keys(name)
    for header, records in tables:
        for record in records:
            one, wrong = _found(header, record, columns)
            mistakes.add(wrong)
            keys.see(one.row.key)
            yield one
    mistakes.add(keys.mistakes())
    mistakes.stop()


def _check_header(header: Sequence[str], name: str, columns: Columns) -> None:
    if set(LONG_COLUMNS) <= {*header} and "revision" not in header:
        raise DatasetError(
            f"`{name}` is the long form, which is only looked at",
            "edit tags.csv or tags.xlsx, and import that",
        )
    if not {*TELLING, *columns} & {*header}:
        raise DatasetError(
            f"`{name}` is not a sheet: its first row names none of the columns",
            "delete what stands above their names, or name another file",
        )
    mistakes = Mistakes()
    mistakes.add(_header_mistakes(header, name, columns))
    mistakes.stop()


def _header_mistakes(header: Sequence[str], name: str, columns: Columns) -> list[Mistake]:
    ours = (TAGS, SCORES, PICTURE)
    missing = [column for column in (*TELLING, *WORDS) if column not in header]
    known = {*TELLING, *columns}
    unknown = [column for column in header if column not in known and not column.endswith(ours)]
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
    for column, count in Counter(header).items():
        if count > 1 and column not in unknown:
            mistakes.append((f"`{name}` has the column `{column}` twice", "delete one of the two"))
    return mistakes


def _found(
    header: Sequence[str], record: Record, columns: Columns
) -> tuple[ReturnedRow, list[Mistake]]:
    cells = dict.fromkeys(header, "") | dict(zip(header, record.cells, strict=False))
    own = {name: cells[name] for name in columns if name in cells}
    key = unicodedata.normalize("NFC", unguarded(cells["key"]))
    row = _plain(Row(key, own, columns, unguarded(cells["revision"])))
    categories = {name.removesuffix(TAGS): cells[name] for name in header if name.endswith(TAGS)}
    formulas = frozenset(header[at] for at in record.formulas if at < len(header))
    lines = {"key": row.key, "revision": row.revision}
    lines |= {name: row[name] for name in own if columns[name].one_line}
    where = record.where
    mistakes = [
        (
            f"{where}, column `{name}`: it holds several lines",
            "look for a quote without its partner",
        )
        for name, cell in lines.items()
        if "\n" in cell or "\r" in cell
    ]
    if any(record.cells[len(header) :]):
        mistakes.append((f"{where} has more cells than columns", _BESIDE))
    if not row.key:
        mistakes.append((f"{where} has no key", "delete the row, or undo what emptied its key"))
    return ReturnedRow(row, where, categories, formulas), mistakes


def _plain(row: Row) -> Row:
    """Return a row without the apostrophes that CSV has in front of what is acted on.

    XLSX has none, until a sheet went from one to the other: a cell that says what was exported is
    left as it is.
    """
    guarded = {name: cell for name, cell in row.cells.items() if cell.startswith("'")}
    if not guarded:
        return row
    known = revision(row)
    for name, cell in guarded.items():
        if known is None or row.digest(name) != known.exported(name):
            guarded[name] = unguarded(cell, row.columns[name].kind is Kind.NUMBER)
    return replace(row, cells={**row.cells, **guarded})


class _Keys:
    """Finds keys that come twice, among the first million of a sheet.

    Beyond those, two rows of one picture of the dataset are found when they are taken over.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._seen: set[int] = set()  # hashes: a sheet's keys may be far longer than names are
        self._counts: dict[str, int] = {}

    def see(self, key: str) -> None:
        known = hash(key)
        if key and known in self._seen:
            shown = shortened(key)
            if shown in self._counts or len(self._counts) < _MOST_TWICE:
                self._counts[shown] = self._counts.get(shown, 1) + 1
        elif len(self._seen) < _MOST_KEYS:
            self._seen.add(known)

    def mistakes(self) -> Iterator[Mistake]:
        for key, count in self._counts.items():
            yield f"`{self._name}` has {count} rows for `{key}`", "keep one of them"
