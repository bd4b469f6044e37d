"""An XLSX file that came back -> the sheet: what a spreadsheet calculated or guessed is seen."""

import datetime
import io
import warnings
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from prep.runtime.errors import DatasetError
from prep.runtime.memory_limit import memory_limit
from prep.sheets.row import COLUMNS
from prep.sheets.table import LONG_COLUMNS, Record, Sheet, Table, sheet_of

if TYPE_CHECKING:
    from collections.abc import Sequence

# What a file may grow by where it is unpacked, whatever its parts are called, and what reading it
# may take of memory.
_MOST_BYTES = 256 << 20
_MOST_MEMORY = 640 << 20
_MOST_ROWS = 1 << 20  # of a worksheet, as in Excel
_MOST_CELLS = 50_000_000  # empty ones as well: a file need not hold them to claim them
# How Excel writes the carriage return of a line end.
_RETURN = "_x000D_"
_SAVE = "save it as XLSX or CSV"
# How a file of Excel 97 begins, and one with a password.
_OLD = b"\xd0\xcf\x11\xe0"


def is_workbook(data: bytes) -> bool:
    """Return whether a file is of a spreadsheet's own format, not CSV."""
    return data.startswith((b"PK\x03\x04", _OLD))


def parse(data: bytes, name: str) -> Sheet:
    """Return what a workbook holds: the rows of every worksheet that has a key column.

    A number, date or truth value becomes its text, an error its word; a formula is marked.

    Raises:
        DatasetError: It is no XLSX, is damaged, or as `sheet_of`.
    """
    _check_archive(data, name)
    import openpyxl  # type: ignore[import-untyped]

    try:
        with warnings.catch_warnings(), memory_limit(_MOST_MEMORY):
            warnings.simplefilter("ignore")  # of looks that openpyxl does not know
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
            room = _Room(name)
            tables = [_table(page, room, len(book.worksheets)) for page in book.worksheets]
            book.close()
    except DatasetError:
        raise
    except MemoryError:
        raise _too_large(name, f"takes more than {_MOST_MEMORY >> 20} MB of memory") from None
    except Exception as error:  # a damaged archive raises nearly every class
        why = f"{type(error).__name__}: {error}"
        raise DatasetError(f"`{name}` is not a sound XLSX file: {why}", _SAVE) from error
    known = [table for table in tables if {"key", "revision", *LONG_COLUMNS[1:]} & {*table.header}]
    return sheet_of(known or tables[:1], name, "XLSX")


def _check_archive(data: bytes, name: str) -> None:
    if data.startswith(_OLD):
        raise DatasetError(f"`{name}` is of Excel 97, or has a password", _SAVE)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise DatasetError(f"`{name}` is not a sound XLSX file", _SAVE) from None
    if "xl/workbook.xml" not in [part.filename for part in parts]:
        raise DatasetError(f"`{name}` is not an XLSX file", _SAVE)
    # No reader unpacks more of a part than is said here; of other kinds of packing, it might.
    if any(part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for part in parts):
        raise DatasetError(f"`{name}` is packed as no spreadsheet does it", _SAVE)
    whole = sum(part.file_size for part in parts)
    if whole > len(data) + _MOST_BYTES:
        raise _too_large(name, f"holds {whole >> 20} MB in {len(data) / (1 << 20):.1f} MB")


def _too_large(name: str, what: str) -> DatasetError:
    return DatasetError(f"`{name}` {what}, which is more than a sheet can", _SAVE)


class _Room:
    """Counts the cells of a file's worksheets.

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


def _table(page: Any, room: _Room, num_pages: int) -> Table:
    page.reset_dimensions()  # what the file says of its size need not be so
    lines = _lines(page, room)
    _, header, _ = next(lines, (1, [], frozenset()))
    if not any(header):
        return Table(room.name, header, [])
    where = f"`{room.name}` row" if num_pages == 1 else f"`{room.name}`, `{page.title}` row"
    records = [
        _as_known(Record(f"{where} {number}", cells, formulas), header)
        for number, cells, formulas in lines
        if any(cells)
    ]
    return Table(room.name, header, records)


def _lines(page: Any, room: _Room) -> Iterator[tuple[int, list[str], frozenset[int]]]:
    """Yield the number of each row, its cells as text, and the places of formulas."""
    for number, cells in enumerate(page.iter_rows(), start=1):
        room.take(len(cells), number)
        formulas = frozenset(at for at, cell in enumerate(cells) if cell.data_type == "f")
        yield number, [_text(cell.value) for cell in cells], formulas


def _as_known(record: Record, header: "Sequence[str]") -> Record:
    """Return a row without what stands beside the table, where no header is."""
    width = max(at for at, name in enumerate(header) if name) + 1
    known = {at for at in record.formulas if at < width and header[at] in COLUMNS}
    known |= {at for at in record.formulas if at < width and header[at].endswith(" tags")}
    return Record(record.where, record.cells[:width], frozenset(known))


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
