"""An XLSX file that came back -> the sheet: what a spreadsheet calculated or guessed is seen."""

import datetime
import io
import warnings
import zipfile
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, BinaryIO, TypeVar

from prep.runtime.errors import DatasetError
from prep.runtime.memory_limit import memory_limit
from prep.sheets.columns import Columns
from prep.sheets.table import LONG_COLUMNS, Record, ReturnedSheet, Table, sheet_of

# What a file may grow by where it is unpacked, whatever its parts are called, and what reading it
# may take of memory.
_MOST_BYTES = 256 << 20
_MOST_MEMORY = 384 << 20
_AT_ONCE = 1000  # rows that are read before they are handed on
_MOST_ROWS = 1 << 20  # of a worksheet, as in Excel
_LONGEST = 1_000_000  # characters of a cell
_MOST_CELLS = 50_000_000  # empty ones as well: a file need not hold them to claim them
# How Excel writes the carriage return of a line end.
_RETURN = "_x000D_"
_SAVE = "save it as XLSX or CSV"
# How a file of Excel 97 begins, and one with a password.
_OLD = b"\xd0\xcf\x11\xe0"
BEGINNING = len(_OLD)

_Made = TypeVar("_Made")


def is_workbook(data: bytes) -> bool:
    """Return whether a file that begins so is of a spreadsheet's own format, not CSV."""
    return data.startswith((b"PK\x03\x04", _OLD))


def parse(file: BinaryIO, name: str, columns: Columns) -> ReturnedSheet:
    """Return what a workbook holds: the rows of every worksheet that has a key column.

    A number, date or truth value becomes its text, an error its word; a formula is marked.

    Raises:
        DatasetError: It is no XLSX, is damaged, takes too much memory or has a cell of over
            1,000,000 characters (some of it only while its rows are read), or as `sheet_of`.
    """
    _check_archive(file, name)
    reading = _Reading(name)
    tables = reading.bounded(lambda: _tables(file, reading))
    known = [table for table in tables if {"key", "revision", *LONG_COLUMNS[1:]} & {*table.header}]
    return sheet_of(known or tables[:1], name, "XLSX", columns)


def _tables(file: BinaryIO, reading: "_Reading") -> list[Table]:
    import openpyxl  # type: ignore[import-untyped]

    file.seek(0)
    book = openpyxl.load_workbook(file, read_only=True)
    return [_table(page, reading, len(book.worksheets)) for page in book.worksheets]


def _check_archive(file: BinaryIO, name: str) -> None:
    file.seek(0)
    if file.read(BEGINNING) == _OLD:
        raise DatasetError(f"`{name}` is of Excel 97, or has a password", _SAVE)
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise DatasetError(f"`{name}` is not a sound XLSX file", _SAVE) from None
    if "xl/workbook.xml" not in [part.filename for part in parts]:
        raise DatasetError(f"`{name}` is not an XLSX file", _SAVE)
    # No reader unpacks more of a part than is said here; of other kinds of packing, it might.
    if any(part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for part in parts):
        raise DatasetError(f"`{name}` is packed as no spreadsheet does it", _SAVE)
    whole = sum(part.file_size for part in parts)
    size = file.seek(0, io.SEEK_END)
    if whole > size + _MOST_BYTES:
        raise _too_large(name, f"holds {whole >> 20} MB in {size / (1 << 20):.1f} MB")


def _too_large(name: str, what: str) -> DatasetError:
    return DatasetError(f"`{name}` {what}, which is more than a sheet can", _SAVE)


class _Reading:
    """Reads a workbook within its limits, of cells and of memory.

    Attributes:
        name: Of the file, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name, self._left = name, _MOST_CELLS

    def take(self, cells: int, row: int) -> None:
        self._left -= cells + 1
        if self._left < 0 or row > _MOST_ROWS:
            most = f"{_MOST_ROWS} rows or {_MOST_CELLS} cells"
            raise _too_large(self.name, f"claims to have over {most}")

    def bounded(self, made: Callable[[], _Made]) -> _Made:
        """Return what is read, within the memory that reading may take."""
        try:
            with warnings.catch_warnings(), memory_limit(_MOST_MEMORY):
                warnings.simplefilter("ignore")  # of looks that openpyxl does not know
                return made()
        except DatasetError:
            raise
        except MemoryError:
            what = f"takes more than {_MOST_MEMORY >> 20} MB of memory"
            raise _too_large(self.name, what) from None
        except Exception as error:  # a damaged archive raises nearly every class
            why = f"{type(error).__name__}: {error}"
            told = f"`{self.name}` is not a sound XLSX file: {why}"
            raise DatasetError(told, _SAVE) from error

    def some_at_once(self, records: Iterator[Record]) -> Iterator[Record]:
        """Yield rows, read so many at once that the limit is not set for each."""
        while some := self.bounded(lambda: list(islice(records, _AT_ONCE))):
            yield from some


def _table(page: Any, reading: _Reading, num_pages: int) -> Table:
    page.reset_dimensions()  # what the file says of its size need not be so
    where = f"`{reading.name}`" if num_pages == 1 else f"`{reading.name}`, `{page.title}`"
    lines = _lines(page, reading, where)
    _, header, _ = next(lines, (1, [], frozenset()))
    # Beside the table, where no header is, anything may stand.
    width = max((at for at, name in enumerate(header) if name), default=-1) + 1
    records = (
        Record(f"{where} row {number}", cells[:width], formulas)
        for number, cells, formulas in lines
        if any(cells)
    )
    return Table(reading.name, header, reading.some_at_once(records))


def _lines(
    page: Any, reading: _Reading, where: str
) -> Iterator[tuple[int, list[str], frozenset[int]]]:
    """Yield the number of each row, its cells as text, and the places of formulas."""
    for number, cells in enumerate(page.iter_rows(), start=1):
        reading.take(len(cells), number)
        formulas = frozenset(at for at, cell in enumerate(cells) if cell.data_type == "f")
        texts = [_text(cell.value) for cell in cells]
        if any(len(text) > _LONGEST for text in texts):
            told = f"{where} row {number} has a cell of over {_LONGEST:,} characters"
            raise DatasetError(told, "shorten it; nothing was imported")
        yield number, texts, formulas


def _text(value: Any) -> str:
    """Return a cell as a person sees it; whole numbers have no decimals."""
    match value:
        case None:
            return ""
        case str():
            return value.replace(_RETURN, "")
        case bool():
            return str(value).upper()
        case float():
            return f"{value:.15g}"
        case datetime.datetime() if value.time() == datetime.time():
            return value.date().isoformat()
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case _:
            return str(value)
