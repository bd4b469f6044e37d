"""The sheet as XLSX: pictures beside their words, a header that stays, a column per category.

Every cell is typed text, so that no spreadsheet has anything to guess. The same rows are the same
bytes. Knows no folder: thumbnails come as JPEG.
"""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from prep.runtime import text_files
from prep.sheets.categories import Graded, apart, category_of, in_order
from prep.sheets.cells import CELL_LIMIT, units
from prep.sheets.columns import Column, Columns, Kind
from prep.sheets.row import Row, exported_row, revised
from prep.sheets.table import PICTURE, SCORES, TAGS
from prep.tags import tag_text

# Excel takes 1,048,576 rows; people and LibreOffice are done long before.
_ROWS = 100_000
_FIRST = ("keep", "weight", "rating", "tags")
_KEY = 24  # width of its column
_WIDE, _NARROW = 30, 12
_LINES = 250  # Excel takes 253 line ends in a cell
# In XLSX these stand for other characters, and each program undoes them in its own way.
_ESCAPES = re.compile(r"_x[0-9A-Fa-f]{4}_|x005F_")
_NOTE = "shown only: what you type here is not read"


@dataclass(frozen=True)
class WorkbookRow:
    """One sample of the workbook.

    Attributes:
        row: As it is exported, its revision apart.
        digest: SHA-256 of the picture.
        listed: Its tags.
        graded: Category -> (tag, probability) pairs, the most probable first.
        thumbnail: JPEG; empty for none.
    """

    row: Row
    digest: str
    listed: Sequence[str] = ()
    graded: Graded = field(default_factory=dict)
    thumbnail: bytes = b""


def shown(samples: Mapping[str, Mapping[str, Any]], columns: Columns) -> list[WorkbookRow]:
    """Return what to show of samples, in the order of keys; see `row.exported`.

    Each may have the artifacts graded (category -> [tag, probability] pairs) and thumbnail (JPEG)
    as well.
    """
    return [
        WorkbookRow(
            exported_row(key, sample, columns),
            sample["digest"],
            sample["tags"] or (),
            sample.get("graded") or {},
            sample.get("thumbnail") or b"",
        )
        for key, sample in sorted(samples.items())
    ]


def dump(samples: Sequence[WorkbookRow], columns: Columns, side: int) -> bytes:
    """Return a workbook of the samples, in their order.

    Args:
        samples: What to show.
        columns: Those of the sheet.
        side: Longer side of the thumbnails, px.
    """
    from datetime import datetime

    import xlsxwriter  # type: ignore[import-untyped]

    of = category_of(sample.graded for sample in samples)
    header = _header(samples, of, columns)
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    book.set_properties({"created": datetime(2000, 1, 1)})  # noqa: DTZ001 - it names no moment
    formats = _formats(book)
    for start in range(0, max(1, len(samples)), _ROWS):
        name = f"pictures {start // _ROWS + 1}" if start else "pictures"
        page = book.add_worksheet(name)
        some = samples[start : start + _ROWS]
        _lay_out(page, header, formats, len(some), side)
        for number, sample in enumerate(some, start=1):
            _write_row(page, number, header, _cells(sample, header, of), formats)
            if sample.thumbnail:
                _insert(page, number, sample)
    book.close()
    return out.getvalue()


def _header(
    samples: Sequence[WorkbookRow], of: Mapping[str, str], columns: Columns
) -> dict[str, Column | None]:
    """Return the header, with what is known of each; categories only where a tagger named some."""
    graded = {name for sample in samples for name in sample.graded}
    used = {of.get(tag, "other") for sample in samples for tag in sample.listed}
    lists = in_order((graded - {"rating"}) | used) if graded else []
    names = [
        *(PICTURE, "key"),
        *_FIRST,
        *(name + TAGS for name in lists),
        *(name for name in columns if name not in _FIRST),
        *(name + SCORES for name in in_order(graded)),
        "revision",
    ]
    return {name: columns.get(name) for name in names}


def _cells(sample: WorkbookRow, header: Iterable[str], of: Mapping[str, str]) -> dict[str, str]:
    """Return column -> cell; one that no spreadsheet takes says so instead."""
    names = [name.removesuffix(TAGS) for name in header if name.endswith(TAGS)]
    cells = {name: _fitting(text) for name, text in sample.row.cells.items()}
    row = revised(
        replace(sample.row, key=_fitting(sample.row.key), cells=cells), sample.digest, names
    )
    listed = sample.listed
    if row["tags"] != sample.row["tags"]:  # what stands there instead is one tag of no category
        listed = [row["tags"]]
        of = dict.fromkeys(listed, names[-1]) if names else {}
    split = apart(listed, of, names)
    cells |= {"key": row.key, "revision": row.revision}
    cells |= {name + TAGS: cell for name, cell in zip(names, split, strict=True)}
    for category, pairs in sample.graded.items():
        cells[category + SCORES] = _fitting(
            ", ".join(
                f"{tag_text.joined([str(tag)], escape=False)} {value:.2f}" for tag, value in pairs
            )
        )
    return cells


def _fitting(text: str) -> str:
    plain = text_files.without_controls(text)
    if _ESCAPES.search(plain):
        return f"({len(text)} characters: XLSX cannot hold `_x....`)"
    if units(plain) < CELL_LIMIT and plain.count("\n") < _LINES:
        return plain
    return f"({len(text)} characters: too long for a cell)"


def _formats(book: Any) -> dict[str, Any]:
    text = {"num_format": "@", "text_wrap": True, "valign": "top"}
    return {
        "text": book.add_format(text),
        "armed": book.add_format(text | {"quote_prefix": True}),
        "number": book.add_format({"valign": "top"}),
        "shown": book.add_format(text | {"font_color": "#808080", "quote_prefix": True}),
        "head": book.add_format({"num_format": "@", "bold": True, "bg_color": "#DDDDDD"}),
    }


def _lay_out(
    page: Any,
    header: Mapping[str, Column | None],
    formats: Mapping[str, Any],
    num_rows: int,
    side: int,
) -> None:
    """Set widths and heights, the frozen header, the filter, and what is taken where."""
    page.freeze_panes(1, 2)
    page.autofilter(0, 0, num_rows, len(header) - 1)
    page.set_default_row(max(20, side * 3 // 4 + 3))
    page.set_row(0, 20)
    widths = {PICTURE: side / 7 + 1, "key": _KEY, "revision": _NARROW}
    for at, (name, column) in enumerate(header.items()):
        page.write_string(0, at, name, formats["head"])
        width = widths.get(name, _WIDE) if column is None else column.width
        page.set_column(at, at, width, formats[_style(name, column, "text")])
        if name.endswith(SCORES):
            page.write_comment(0, at, _NOTE)
        if column is not None and column.kind in (Kind.DECISION, Kind.NUMBER):
            page.data_validation(1, at, max(1, num_rows), at, _suggested(column))


def _suggested(column: Column) -> dict[str, Any]:
    if column.kind is Kind.NUMBER:
        least = {"criteria": ">=", "value": column.least}
        return {"validate": "decimal", "ignore_blank": True, **least}
    # Suggested, not forced: a proposed duplicate stands in the column as well.
    return {"validate": "list", "source": ["yes", "no"], "error_type": "information"}


def _style(name: str, column: Column | None, text: str) -> str:
    """Return the name of a column's format; `text` where it is one that a person may edit."""
    if column is not None:
        return "number" if column.kind is Kind.NUMBER else text
    return text if name.endswith(TAGS) else "shown"


def _write_row(
    page: Any,
    number: int,
    header: Mapping[str, Column | None],
    cells: Mapping[str, str],
    formats: Mapping[str, Any],
) -> None:
    for at, (name, column) in enumerate(header.items()):
        text = cells.get(name, "")
        style = _style(name, column, "armed")
        if text and style == "number":
            page.write_number(number, at, float(text), formats[style])
        elif text:
            page.write_string(number, at, text, formats[style])


def _insert(page: Any, number: int, sample: WorkbookRow) -> None:
    """Put a thumbnail into its row; it moves and hides with the row."""
    name = f"{sample.digest}.jpg"
    look = {"image_data": io.BytesIO(sample.thumbnail), "description": sample.row.key}
    page.insert_image(number, 0, name, {**look, "object_position": 1, "x_offset": 2, "y_offset": 2})
