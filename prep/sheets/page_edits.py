"""The edits that the page of `prep report` saved: another reading of the rows of a sheet.

A JSON object of three: `edits_of` is `prep report`, `version` 1, and `pictures` a list of `key`,
`revision` and `cells`, those that were edited alone. No spreadsheet was at them.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from prep.runtime import text_files
from prep.runtime.errors import DatasetError, nearest
from prep.runtime.strict_json import strict_json
from prep.sheets.columns import Columns
from prep.sheets.mistakes import Mistake, Mistakes, shortened
from prep.sheets.row import Row, revision
from prep.sheets.table import ReturnedRow, ReturnedSheet

BEGINNING = 64  # bytes that tell
_OF = "prep report"
_VERSION = 1
_MOST = 256 << 20  # bytes; edits of a million pictures
_LONGEST = 1_000_000  # characters of a cell, as in CSV
_AGAIN = "save the edits in the page once more"


def is_edits(beginning: bytes) -> bool:
    """Return whether a file begins as JSON does; no sheet does."""
    return beginning.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def parse(file: BinaryIO, name: str, columns: Columns) -> ReturnedSheet:
    """Return the rows of a page's edits; keys are put in NFC.

    Raises:
        DatasetError: It is damaged or something else; or, all mistakes at once, keys come twice,
            and columns are unknown.
    """
    file.seek(0)
    data = file.read(_MOST + 1)
    if len(data) > _MOST:
        raise DatasetError(f"`{name}` has over {_MOST >> 20} MB", "save fewer edits at a time")
    try:
        found = strict_json(data.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        raise DatasetError(f"`{name}` is not UTF-8 at byte {error.start}", _AGAIN) from None
    except DatasetError as error:
        raise DatasetError(str(error), _AGAIN) from None
    rows, mistakes = [], Mistakes()
    for number, one in enumerate(_pictures(found, name), start=1):
        row, wrong = _row(one, f"`{name}` picture {number}", columns)
        mistakes.add(wrong)
        rows += [row] if row else []
    mistakes.add(_twice(rows, name))
    mistakes.stop()
    return ReturnedSheet(rows, "the edits of a report", typed=True)


def _pictures(found: Any, name: str) -> Sequence[Any]:
    if not isinstance(found, dict) or found.get("edits_of") != _OF:
        raise DatasetError(f"`{name}` is not the edits of a report", "name the file that it saved")
    if found.get("version") != _VERSION:
        raise DatasetError(
            f"`{name}` was saved by a page of another version", "run `prep report` and edit again"
        )
    pictures = found.get("pictures")
    if not isinstance(pictures, list) or set(found) != {"edits_of", "version", "pictures"}:
        raise DatasetError(f"`{name}` is damaged: it has no list of pictures alone", _AGAIN)
    return pictures


def _row(one: Any, where: str, columns: Columns) -> tuple[ReturnedRow | None, list[Mistake]]:
    told = {"key", "revision", "cells"}
    if not isinstance(one, dict) or set(one) != told or not isinstance(one["cells"], dict):
        return None, [(f"{where} is not a key, a revision and cells", _AGAIN)]
    texts: Mapping[str, Any] = {"key": one["key"], "revision": one["revision"], **one["cells"]}
    wrong = [
        (f"{where}: {why}", hint)
        for name, text in texts.items()
        for why, hint in _mistakes(name, text, columns)
    ]
    if wrong:
        return None, wrong
    key = unicodedata.normalize("NFC", one["key"])
    row = Row(key, dict(one["cells"]), columns, one["revision"])
    if revision(row) is None:
        return None, [(f"{where} (`{shortened(key)}`) has no whole `revision`", _AGAIN)]
    return ReturnedRow(row, f"{where} (`{shortened(key)}`)"), []


def _mistakes(name: str, text: Any, columns: Columns) -> Iterator[Mistake]:
    shown = shortened(name)
    if name not in ("key", "revision") and name not in columns:
        yield f"there is no column `{shown}`", nearest(shown, columns)
    elif not isinstance(text, str):
        yield f"`{shown}` is not text", _AGAIN
    elif len(text) > _LONGEST:
        yield f"`{shown}` has over {_LONGEST:,} characters", "shorten it"
    elif (plain := text_files.without_controls(text)) != text:
        bad = next(char for char in text if char not in plain)
        yield f"`{shown}` holds the control character U+{ord(bad):04X}", "delete it"
    elif (name not in columns or columns[name].one_line) and {*text} & {"\n", "\r"}:
        yield f"`{shown}` holds several lines", "write one"
    elif name == "key" and not text:
        yield "it has no key", _AGAIN


def _twice(rows: Sequence[ReturnedRow], name: str) -> Iterator[Mistake]:
    seen: set[str] = set()
    for one in rows:
        if one.row.key in seen:
            yield f"`{name}` has several rows for `{shortened(one.row.key)}`", _AGAIN
        seen.add(one.row.key)
