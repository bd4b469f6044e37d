"""The sheet as XLSX: pictures beside their words, a header that stays, a column per category.

Every cell is typed text, so that no spreadsheet has anything to guess. The same rows are the same
bytes. Knows no folder: thumbnails come as JPEG.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

from prep.runtime import text_files
from prep.sheets.categories import Graded, apart, category_of, in_order
from prep.sheets.cells import CELL_LIMIT, units
from prep.sheets.row import COLUMNS, Row, exported_row, revised
from prep.sheets.table import PICTURE, SCORES, TAGS
from prep.tags import tag_text

# Excel takes 1,048,576 rows; people and LibreOffice are done long before.
_ROWS = 100_000
_FIRST = (PICTURE, "key", "keep", "weight", "rating", "tags")
_LAST = ("caption", "concept", "notes")
_WIDTHS = {"key": 24, "keep": 14, "weight": 8, "tags": 60, "caption": 44, "notes": 30}
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


def shown(samples: Mapping[str, Mapping[str, Any]]) -> list[WorkbookRow]:
    """Return what to show of samples, in the order of keys; see `row.exported`.

    Each may have the artifacts graded (category -> [tag, probability] pairs) and thumbnail (JPEG)
    as well.
    """
    return [
        WorkbookRow(
            exported_row(key, sample),
            sample["digest"],
            sample["tags"] or (),
            sample.get("graded") or {},
            sample.get("thumbnail") or b"",
        )
        for key, sample in sorted(samples.items())
    ]


def dump(samples: Sequence[WorkbookRow], side: int) -> bytes:
    """Return a workbook of the samples, in their order.

    Args:
        samples: What to show.
        side: Longer side of the thumbnails, px.
    """
    from datetime import datetime

    import xlsxwriter  # type: ignore[import-untyped]

    of = category_of(sample.graded for sample in samples)
    columns = _columns(samples, of)
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    book.set_properties({"created": datetime(2000, 1, 1)})  # noqa: DTZ001 - it names no moment
    formats = _formats(book)
    for start in range(0, max(1, len(samples)), _ROWS):
        name = f"pictures {start // _ROWS + 1}" if start else "pictures"
        page = book.add_worksheet(name)
        some = samples[start : start + _ROWS]
        _lay_out(page, columns, formats, len(some), side)
        for number, sample in enumerate(some, start=1):
            _write_row(page, number, columns, _cells(sample, columns, of), formats)
            if sample.thumbnail:
                _insert(page, number, sample)
    book.close()
    return out.getvalue()


def _columns(samples: Sequence[WorkbookRow], of: Mapping[str, str]) -> list[str]:
    """Return the header; columns for categories only where a tagger named some."""
    graded = {name for sample in samples for name in sample.graded}
    if not graded:
        return [*_FIRST, *_LAST, "revision"]
    used = {of.get(tag, "other") for sample in samples for tag in sample.listed}
    lists = in_order((graded - {"rating"}) | used)
    return [
        *_FIRST,
        *(name + TAGS for name in lists),
        *_LAST,
        *(name + SCORES for name in in_order(graded)),
        "revision",
    ]


def _cells(sample: WorkbookRow, columns: Sequence[str], of: Mapping[str, str]) -> dict[str, str]:
    """Return column -> cell; one that no spreadsheet takes says so instead."""
    names = [name.removesuffix(TAGS) for name in columns if name.endswith(TAGS)]
    row = Row(
        **{name: _fitting(text) for name, text in zip(COLUMNS, astuple(sample.row), strict=True)}
    )
    listed = sample.listed
    if row.tags != sample.row.tags:  # the text that stands there instead is one tag of no category
        listed = [row.tags]
        of = dict.fromkeys(listed, names[-1]) if names else {}
    split = apart(listed, of, names)
    told = dict(zip(COLUMNS, astuple(revised(row, sample.digest, names)), strict=True))
    told |= {name + TAGS: cell for name, cell in zip(names, split, strict=True)}
    for category, pairs in sample.graded.items():
        told[category + SCORES] = _fitting(
            ", ".join(
                f"{tag_text.joined([str(tag)], escape=False)} {value:.2f}" for tag, value in pairs
            )
        )
    return told


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
        "weight": book.add_format({"valign": "top"}),
        "shown": book.add_format(text | {"font_color": "#808080", "quote_prefix": True}),
        "head": book.add_format({"num_format": "@", "bold": True, "bg_color": "#DDDDDD"}),
    }


def _lay_out(
    page: Any,
    columns: Sequence[str],
    formats: Mapping[str, Any],
    num_rows: int,
    side: int,
) -> None:
    """Set widths and heights, the frozen header, the filter, and what `keep` and `weight` take."""
    page.freeze_panes(1, 2)
    page.autofilter(0, 0, num_rows, len(columns) - 1)
    page.set_default_row(max(20, side * 3 // 4 + 3))
    page.set_row(0, 20)
    for at, name in enumerate(columns):
        page.write_string(0, at, name, formats["head"])
        style = formats["weight" if name == "weight" else "shown" if _is_shown(name) else "text"]
        wide = _WIDE if name.endswith((TAGS, SCORES)) else _NARROW
        page.set_column(at, at, side / 7 + 1 if name == PICTURE else _WIDTHS.get(name, wide), style)
        if name.endswith(SCORES):
            page.write_comment(0, at, _NOTE)
    keep, weight = columns.index("keep"), columns.index("weight")
    # Suggested, not forced: a proposed duplicate stands in the column as well.
    words = {"validate": "list", "source": ["yes", "no"], "error_type": "information"}
    page.data_validation(1, keep, max(1, num_rows), keep, words)
    number = {"validate": "decimal", "criteria": ">=", "value": 0, "ignore_blank": True}
    page.data_validation(1, weight, max(1, num_rows), weight, number)


def _is_shown(name: str) -> bool:
    return name in (PICTURE, "revision", "key") or name.endswith(SCORES)


def _write_row(
    page: Any,
    number: int,
    columns: Sequence[str],
    cells: Mapping[str, str],
    formats: Mapping[str, Any],
) -> None:
    for at, name in enumerate(columns):
        text = cells.get(name, "")
        if name == "weight" and text:
            page.write_number(number, at, float(text), formats["weight"])
        elif text:
            page.write_string(number, at, text, formats["shown" if _is_shown(name) else "armed"])


def _insert(page: Any, number: int, sample: WorkbookRow) -> None:
    """Put a thumbnail into its row; it moves and hides with the row."""
    name = f"{sample.digest}.jpg"
    look = {"image_data": io.BytesIO(sample.thumbnail), "description": sample.row.key}
    page.insert_image(number, 0, name, {**look, "object_position": 1, "x_offset": 2, "y_offset": 2})
