"""`tags.csv`: rows for a spreadsheet and back, without loss.

A cell that a spreadsheet would take for a formula gets an apostrophe in front, and loses exactly
that one when it is read. Whatever a spreadsheet destroys is found before any row is returned.
Knows no ledger: which cells were edited is said by who compares them with what was exported.
"""

import codecs
import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from difflib import get_close_matches

from prep.errors import DatasetError
from prep.files import canonical, digest_bytes

# What Excel cuts a cell to, without a word.
CELL_LIMIT = 32_767

_GUARDED = ("=", "+", "-", "@", "\t", "\r", "'")
_FAULT = re.compile(r"#(NAME\?|VALUE!|REF!|N/A|DIV/0!|NUM!|NULL!|SPILL!|CALC!)|Err:\d+")
_ONE_LINE = ("key", "revision", "keep", "rating", "concept", "weight")
_EAST_ASIAN = ("cp932", "gbk", "cp949", "big5")
_AGAIN = "export it again with `prep review export`"
_UNICODE = 'save it as "CSV UTF-8"'

_SHOWN = 20

_Mistake = tuple[str, str]


@dataclass(frozen=True)
class Row:
    """One sample's row, as text.

    Attributes:
        key: The sample's key.
        revision: Which state of the row was exported, see `revision`.
        keep: `no` accepts a proposed duplicate or drops the picture.
        tags: A comma-separated list, see `prep.tags`.
    """

    key: str
    revision: str = ""
    keep: str = ""
    rating: str = ""
    tags: str = ""
    caption: str = ""
    concept: str = ""
    weight: str = ""
    notes: str = ""


COLUMNS = tuple(field.name for field in fields(Row))


@dataclass(frozen=True)
class Sheet:
    """What a file held, and how it was read.

    Attributes:
        encoding: `UTF-8`, `UTF-16` or `cp1252`.
        delimiter: A comma, a semicolon or a tab.
    """

    rows: tuple[Row, ...]
    encoding: str
    delimiter: str

    def read_as(self) -> str:
        """Return how the file was read, for a person: `UTF-8, separated by commas`."""
        words = {",": "commas", ";": "semicolons", "\t": "tabs"}
        return f"{self.encoding}, separated by {words[self.delimiter]}"


def revision(row: Row) -> str:
    """Return what tells an exported row from a later one: a digest of its cells, as a word.

    It begins with a letter, so that no spreadsheet takes it for a number.
    """
    cells = [cell for name, cell in zip(COLUMNS, astuple(row), strict=True) if name != "revision"]
    return "r" + digest_bytes(canonical(cells[1:]).encode())[:11]


def dump(rows: Iterable[Row]) -> bytes:
    """Return rows as CSV: UTF-8 with BOM (Excel needs it), commas, CRLF, formulas disarmed."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows([_guarded(cell) for cell in astuple(row)] for row in rows)
    return codecs.BOM_UTF8 + out.getvalue().encode()


def parse(data: bytes, name: str) -> Sheet:
    """Return the rows of a sheet; empty rows are passed over, keys are put in NFC.

    Args:
        data: CSV with commas, semicolons or tabs, in UTF-8, UTF-16 with BOM, or cp1252.
        name: The file's name, for messages.

    Raises:
        DatasetError: All mistakes at once: unbalanced quotes, columns missing, renamed or
            unknown, keys missing or twice, cells that the spreadsheet damaged.
    """
    text, encoding = _decoded(data, name)
    delimiter = _delimiter(text)
    records = _records(text, delimiter, name)
    _, header = next(records, (1, []))
    columns = [column.strip() for column in header]
    while columns and not columns[-1]:
        columns.pop()
    _stop(_column_mistakes(columns, name))
    rows, mistakes = [], []
    for number, cells in enumerate((cells for _, cells in records), start=2):
        if any(cells):
            row, found = _row(dict(zip(columns, cells, strict=False)), f"`{name}` row {number}")
            if any(cells[len(columns) :]):
                found.append((f"`{name}` row {number} has more cells than columns", _AGAIN))
            rows.append(row)
            mistakes += found
    bare = not data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    mistakes += _lost_letters(rows, name) if bare and text.isascii() else []
    _stop(mistakes + _twice(rows, name))
    return Sheet(tuple(rows), encoding, delimiter)


def _guarded(cell: str) -> str:
    return "'" + cell if cell.startswith(_GUARDED) else cell


def _unguarded(cell: str) -> str:
    # An apostrophe before anything else was typed by a person; ours is only ever before these.
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_GUARDED) else cell


def _decoded(data: bytes, name: str) -> tuple[str, str]:
    """Return text and encoding; what could be of several code pages is not guessed."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding, codec in (("UTF-16", "utf-16"),) if wide else (("UTF-8", "utf-8-sig"),):
        text = _text(data, codec)
        if text is not None:
            return text, encoding
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
    return max(",;\t", key=lambda sign: len({*first.split(sign)} & {*COLUMNS}))


def _records(text: str, delimiter: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line where it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DatasetError(
                f"`{name}` is not CSV in the row that begins in line {line}: {error}",
                "look for a quote without its partner; nothing was imported",
            ) from None
        yield line, cells
        line = reader.line_num + 1


def _column_mistakes(columns: list[str], name: str) -> list[_Mistake]:
    missing = [column for column in COLUMNS if column not in columns]
    unknown = [column for column in columns if column not in COLUMNS]
    mistakes = []
    for column in missing:
        near = get_close_matches(column, unknown, n=1)
        hint = f"rename `{near[0]}` back to `{column}`" if near else _AGAIN
        unknown = [other for other in unknown if other not in near]
        mistakes.append((f"`{name}` has no column `{column}`", hint))
    for column in unknown:
        hint = "delete it; remarks go into `notes`"
        mistakes.append((f"`{name}` has an unknown column `{column}`", hint))
    for column, count in Counter(columns).items():
        if count > 1 and column in COLUMNS:
            mistakes.append((f"`{name}` has the column `{column}` twice", "delete one of the two"))
    return mistakes


def _row(cells: dict[str, str], where: str) -> tuple[Row, list[_Mistake]]:
    values = {column: _unguarded(cell) for column, cell in cells.items()}
    values["key"] = unicodedata.normalize("NFC", values.get("key", ""))
    mistakes = [
        (f"{where}, column `{column}`: {why}", hint)
        for column, cell in cells.items()
        for why, hint in _damage(column, cell)
    ]
    if not values["key"]:
        mistakes.append((f"{where} has no key", _AGAIN))
    return Row(**values), mistakes


def _damage(column: str, cell: str) -> Iterator[_Mistake]:
    if _FAULT.fullmatch(cell):
        yield f"the spreadsheet made `{cell}` of the text", "type it again with a `'` in front"
    if len(cell) == CELL_LIMIT:
        yield (
            f"the spreadsheet cut the text at {CELL_LIMIT} characters",
            "shorten it in its sidecar",
        )
    if "\ufffd" in cell:
        yield "U+FFFD stands where a character was lost", f"type it again and {_UNICODE}"
    if column in _ONE_LINE and ("\n" in cell or "\r" in cell):
        yield "it holds several lines", "look for a quote without its partner"


def _lost_letters(rows: list[Row], name: str) -> list[_Mistake]:
    """Return cells where an old code page has put `?` for what it lacks: nothing else is left."""
    return [
        (f"`{name}`: {column} of `{row.key}` is `{cell}`: were its characters lost?", _UNICODE)
        for row in rows
        for column, cell in zip(COLUMNS, astuple(row), strict=True)
        if "???" in cell
    ]


def _twice(rows: list[Row], name: str) -> list[_Mistake]:
    count = Counter(row.key for row in rows if row.key)
    return [
        (f"`{name}` has {num} rows for `{key}`", "keep one of them")
        for key, num in count.items()
        if num > 1
    ]


def _stop(mistakes: list[_Mistake]) -> None:
    if mistakes:
        more = len(mistakes) - _SHOWN
        rest = [(f"... and {more} more like these", _AGAIN)] if more > 0 else []
        raise DatasetError(*mistakes[0], others=[*mistakes[1:_SHOWN], *rest])
