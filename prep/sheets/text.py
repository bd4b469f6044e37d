"""The sheet as CSV: written for Excel and LibreOffice, read back as whichever of them saved it."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple

from prep.runtime.errors import DatasetError
from prep.sheets.cells import guarded
from prep.sheets.row import COLUMNS, Row
from prep.sheets.table import LONG_COLUMNS, Record, Sheet, Table, sheet_of

_EAST_ASIAN = ("cp932", "gbk", "cp949", "big5")
_LONGEST = 1_000_000  # characters of a cell; what is longer misses a quote
_UNICODE = 'save it as "CSV UTF-8"'
_WORDS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def dump(rows: Iterable[Row]) -> bytes:
    """Return rows as CSV, see `table`; formulas, numbers and dates are disarmed."""
    return table(
        COLUMNS,
        (
            [guarded(cell, name) for name, cell in zip(COLUMNS, astuple(row), strict=True)]
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


def parse(data: bytes, name: str) -> Sheet:
    """Return what a sheet in CSV holds; empty rows are passed over.

    Args:
        data: CSV with commas, semicolons or tabs, in UTF-8, UTF-16 with BOM, or cp1252. A first
            line such as `sep=;` is obeyed.
        name: The file's name, for messages.

    Raises:
        DatasetError: It cannot be read with certainty, has unbalanced quotes, or as `sheet_of`.
    """
    text, encoding = _decoded(data, name)
    named = re.match(r'"?sep=([,;\t])"?\r?\n', text)
    delimiter = named[1] if named else _delimiter(text)
    records = _records(text[named.end() :] if named else text, delimiter, name)
    header = next(records, [])
    rows = [
        Record(f"`{name}` row {number}", cells)
        for number, cells in enumerate(records, start=2)
        if any(cells)
    ]
    bare = not data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    how = f"{encoding}, separated by {_WORDS[delimiter]}"
    return sheet_of([Table(name, header, rows)], name, how, bare and text.isascii())


def _decoded(data: bytes, name: str) -> tuple[str, str]:
    """Return text and encoding; what could be of several code pages is not guessed."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = _text(data, "utf-16" if wide else "utf-8-sig")
    if text is not None:
        return text, "UTF-16" if wide else "UTF-8"
    text = None if wide else _text(data, "cp1252")
    # Cyrillic or Greek read as cp1252 are long runs of accents; Japanese is valid cp932.
    strange = text is None or re.search(r"[^\x00-\x7f]{3}", text)
    if text is None or strange or any(_text(data, codec) is not None for codec in _EAST_ASIAN):
        raise DatasetError(f"`{name}` is not UTF-8, and its code page is not certain", _UNICODE)
    return text, "cp1252"


def _text(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None


def _delimiter(text: str) -> str:
    """Return what separates most of our columns in the first line; a comma where none does."""
    first = re.split(r"[\r\n]", text, maxsplit=1)[0].replace('"', "")
    known = {*COLUMNS, *LONG_COLUMNS}
    return max(",;\t", key=lambda sign: len({*first.split(sign)} & known))


def _records(text: str, delimiter: str, name: str) -> Iterator[list[str]]:
    """Yield the cells of each record."""
    reader = csv.reader(_lines(text), delimiter=delimiter, strict=True)
    line = 1
    while True:
        before = csv.field_size_limit(_LONGEST)  # the module's own, for all readers
        try:
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


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of a text with their ends; a StringIO would hold four bytes a character."""
    start = 0
    for end in re.finditer(r"\r\n|\r|\n", text):
        yield text[start : end.end()]
        start = end.end()
    if start < len(text):
        yield text[start:]
