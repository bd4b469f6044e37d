"""An XLSX file that came back -> the sheet: what a spreadsheet calculated or guessed is seen."""

import datetime
import io
import warnings
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from prep.errors import DatasetError
from prep.sheets.row import COLUMNS
from prep.sheets.table import LONG_COLUMNS, Record, Sheet, Table, sheet_of

if TYPE_CHECKING:
    from collections.abc import Sequence

# Unpacked, without pictures: a file that claims more is no sheet.
_MOST_BYTES = 1 << 30
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of looks that openpyxl does not know
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
            tables = [_table(page, name, len(book.worksheets)) for page in book.worksheets]
            book.close()
    except DatasetError:
        raise
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
            parts = {one.filename: one.file_size for one in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise DatasetError(f"`{name}` is not a sound XLSX file", _SAVE) from None
    if "xl/workbook.xml" not in parts:
        raise DatasetError(f"`{name}` is not an XLSX file", _SAVE)
    if sum(size for part, size in parts.items() if part.endswith(".xml")) > _MOST_BYTES:
        raise DatasetError(f"`{name}` claims to hold more than a sheet can", _SAVE)


def _table(page: Any, name: str, num_pages: int) -> Table:
    page.reset_dimensions()  # what the file says of its size need not be so
    lines = _lines(page)
    _, header, _ = next(lines, (1, [], frozenset()))
    where = f"`{name}` row" if num_pages == 1 else f"`{name}`, `{page.title}` row"
    records = [
        Record(f"{where} {number}", cells, formulas)
        for number, cells, formulas in lines
        if any(cells)
    ]
    wide = len([cell for cell in header if cell])
    return Table(name, header, [_as_known(record, header) for record in records] if wide else [])


def _lines(page: Any) -> Iterator[tuple[int, list[str], frozenset[int]]]:
    """Yield the number of each row, its cells as text, and the places of formulas."""
    for number, cells in enumerate(page.iter_rows(), start=1):
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
