"""The sheet as CSV: written for Excel and LibreOffice, read back as whichever of them saved it."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import BinaryIO

from prep.runtime.errors import DatasetError
from prep.sheets.cells import guarded
from prep.sheets.columns import Columns, Kind
from prep.sheets.mangled import UNICODE
from prep.sheets.row import Row
from prep.sheets.table import LONG_COLUMNS, TELLING, Record, ReturnedSheet, Table, sheet_of

_EAST_ASIAN = ("cp932", "gbk", "cp949", "big5")
_LONGEST = 1_000_000  # characters of a cell; what is longer misses a quote
_LONGEST_ROW = 4_000_000  # characters of a row, with all that stands between its cells
_CHUNK = 1 << 20  # bytes that are read at a time
_NAMES = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16", "cp1252": "cp1252"}
_WORDS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def dump(rows: Iterable[Row], columns: Columns) -> bytes:
    """Return rows as CSV, see `table`; formulas, dates, and numbers among words are disarmed."""
    numbers = {name: column.kind is Kind.NUMBER for name, column in columns.items()}
    return table(
        (*TELLING, *columns),
        (
            [
                guarded(row.key),
                guarded(row.revision),
                *(guarded(row[name], number) for name, number in numbers.items()),
            ]
            for row in rows
        ),
    )


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> bytes:
    """Return cells as CSV: UTF-8 with BOM (Excel needs it), commas, CRLF."""
    out = io.BytesIO(codecs.BOM_UTF8)
    out.seek(0, io.SEEK_END)
    # A StringIO would hold four bytes for each character.
    with io.TextIOWrapper(out, "utf-8", newline="", write_through=True) as page:
        writer = csv.writer(page)
        writer.writerow(header)
        writer.writerows(lines)
        return out.getvalue()


def parse(file: BinaryIO, name: str, columns: Columns) -> ReturnedSheet:
    """Return what a sheet in CSV holds, read row by row; empty rows are passed over.

    Args:
        file: CSV with commas, semicolons or tabs, in UTF-8, UTF-16 with BOM, or cp1252. A first
            line such as `sep=;` is obeyed. It is read twice, and has to stay open.
        name: The file's name, for messages.
        columns: Those that a sheet may have.

    Raises:
        DatasetError: It cannot be read with certainty. While its rows are read: it has unbalanced
            quotes, a cell of over 1,000,000 characters, a row of over 4,000,000, or as `sheet_of`.
    """
    encoding, lossy = _encoding(file, name)
    lines = _lines(file, encoding)
    first = next(lines, "")
    named = re.fullmatch(r'"?sep=([,;\t])"?\r?\n', first)
    delimiter = named[1] if named else _delimiter(first, columns)
    records = _records(lines if named else chain([first], lines), delimiter, name)
    header = next(records, [])
    rows = (
        Record(f"`{name}` row {number}", cells)
        for number, cells in enumerate(records, start=2)
        if any(cells)
    )
    how = f"{_NAMES[encoding]}, separated by {_WORDS[delimiter]}"
    return sheet_of([Table(name, header, rows)], name, how, columns, lossy)


def _encoding(file: BinaryIO, name: str) -> tuple[str, bool]:
    """Return a file's encoding, and whether it may have put `?` for letters that it lacks.

    What could be of several code pages is not guessed.
    """
    file.seek(0)
    start = file.read(3)
    wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    unicode = "utf-16" if wide else "utf-8-sig"
    if unicode in _fitting(file, (unicode,)):
        bare = not wide and start != codecs.BOM_UTF8
        return unicode, bare and all(chunk.isascii() for chunk in _chunks(file))
    if not wide and _fitting(file, ("cp1252", *_EAST_ASIAN)) == {"cp1252"} and not _strange(file):
        return "cp1252", False
    raise DatasetError(f"`{name}` is not UTF-8, and its code page is not certain", UNICODE)


def _fitting(file: BinaryIO, encodings: Iterable[str]) -> set[str]:
    """Return those encodings that the whole file can be of."""
    decoders = {encoding: codecs.getincrementaldecoder(encoding)() for encoding in encodings}
    for chunk in _chunks(file):
        for encoding, decoder in list(decoders.items()):
            try:
                decoder.decode(chunk, not chunk)
            except UnicodeDecodeError:
                del decoders[encoding]
    return {*decoders}


def _strange(file: BinaryIO) -> bool:
    """Return whether there are long runs of accents, as Cyrillic or Greek read as cp1252 have."""
    before = b""
    for chunk in _chunks(file):
        if re.search(rb"[^\x00-\x7f]{3}", before + chunk):
            return True
        before = (before + chunk)[-2:]
    return False


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file from its beginning, piece by piece; the last one is empty."""
    file.seek(0)
    while chunk := file.read(_CHUNK):
        yield chunk
    yield b""


def _lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    """Yield the lines of a file with their ends; of one that is longer than a row, a part."""
    decoder = codecs.getincrementaldecoder(encoding)()
    text = ""
    for chunk in _chunks(file):
        text += decoder.decode(chunk, not chunk)
        start = 0
        for end in re.finditer(r"\r\n|\r|\n", text):
            if end.end() == len(text) and end[0] == "\r" and chunk:
                break  # its second half may follow
            yield text[start : end.end()]
            start = end.end()
        text = text[start:]
        if len(text) > _LONGEST_ROW or (text and not chunk):
            yield text
            text = ""


def _delimiter(first: str, columns: Columns) -> str:
    """Return what separates most of our columns in the first line; a comma where none does."""
    plain = re.split(r"[\r\n]", first, maxsplit=1)[0].replace('"', "")
    known = {*TELLING, *columns, *LONG_COLUMNS}
    return max(",;\t", key=lambda sign: len({*plain.split(sign)} & known))


def _records(lines: Iterable[str], delimiter: str, name: str) -> Iterator[list[str]]:
    """Yield the cells of each record."""
    size = 0

    def counted() -> Iterator[str]:
        nonlocal size
        for one in lines:
            size += len(one)
            if size > _LONGEST_ROW:
                raise csv.Error(f"it has over {_LONGEST_ROW:,} characters")
            yield one

    reader = csv.reader(counted(), delimiter=delimiter, strict=True)
    line = 1
    while True:
        before = csv.field_size_limit(_LONGEST)  # the module's own, for all readers
        try:
            size = 0
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DatasetError(
                f"`{name}` is not CSV in the row that begins in line {line}: {error}",
                "look for a quote without its partner; nothing was imported",
            ) from None
        finally:
            csv.field_size_limit(before)
        yield cells
        line = reader.line_num + 1
