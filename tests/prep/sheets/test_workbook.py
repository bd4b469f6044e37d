"""The sheet as XLSX: what a person sees in it, and what is seen of what a spreadsheet did to it."""

import datetime
import io
import random
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from PIL import Image

from prep.runtime.errors import DatasetError
from prep.sheets import reading, workbook
from prep.sheets.categories import apart, category_of, in_order, together
from prep.sheets.columns import WORDS
from prep.sheets.row import revised
from prep.sheets.table import ReturnedSheet
from prep.sheets.workbook import WorkbookRow
from tests.prep.sheet_rows import COLUMNS, row_of

SAMPLES = (
    WorkbookRow(
        row_of("a.png", keep="duplicate of b.png", rating="general", tags="miku, 1girl, mine, =_="),
        "0" * 64,
        ("miku", "1girl", "mine", "=_="),
        {
            "general": [["1girl", 0.991], ["=_=", 0.5], ["hat", 0.104]],
            "character": [["miku", 0.876]],
            "rating": [["general", 0.9], ["explicit", 0.001]],
        },
    ),
    WorkbookRow(
        row_of("b.png", tags="1girl", caption='a "b"\nc', weight="0.5"), "1" * 64, ("1girl",)
    ),
)
HEADER = [
    "picture", "key", "keep", "weight", "rating", "tags", "character tags", "general tags",
    "other tags", "caption", "concept", "notes", "rating scores", "character scores",
    "general scores", "revision",
]  # fmt: skip


def jpeg(seed: int) -> bytes:
    """Return a thumbnail of noise."""
    stream = io.BytesIO()
    noise = random.Random(seed).randbytes(3 * 64 * 32)
    Image.frombytes("RGB", (64, 32), noise).save(stream, "JPEG")
    return stream.getvalue()


def opened(data: bytes) -> Any:
    """Return the first worksheet as another program reads it."""
    return openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]


def saved(rows: Sequence[Sequence[Any]]) -> bytes:
    """Return a workbook that another program wrote."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def read(data: bytes, name: str) -> ReturnedSheet:
    """Return a sheet, all of its rows read."""
    sheet = reading.parse(io.BytesIO(data), name, WORDS)
    return replace(sheet, found=tuple(sheet.found))


def told(data: bytes) -> list[tuple[str, str | None]]:
    """Return the mistakes of a sheet."""
    with pytest.raises(DatasetError) as caught:
        read(data, "s.xlsx")
    return [(str(caught.value), caught.value.hint), *caught.value.others]


def test_what_a_person_sees() -> None:
    """A frozen header, a filter, a column for each category, its scores beside, text as text."""
    page = opened(workbook.dump(SAMPLES, WORDS, 128))
    rows = list(page.iter_rows(values_only=True))

    assert page.title == "pictures"
    assert page.freeze_panes == "C2"
    assert page.auto_filter.ref == "A1:P3"
    assert list(rows[0]) == HEADER
    assert rows[1][1:-1] == (
        "a.png", "duplicate of b.png", None, "general", "miku, 1girl, mine, =_=", "miku",
        "1girl, =_=", "mine", None, None, None, "general 0.90, explicit 0.00", "miku 0.88",
        "1girl 0.99, =_= 0.50, hat 0.10",
    )  # fmt: skip
    assert rows[2][3] == 0.5
    assert rows[2][9] == 'a "b"\nc'
    kinds = {cell.data_type for row in page.iter_rows(min_row=2) for cell in row if cell.value}
    assert kinds == {"s", "n"}
    assert {cell.number_format for cell in page[2][1:]} == {"@", "General"}
    assert page.cell(2, 6).quotePrefix
    assert sorted(str(one.sqref) for one in page.data_validations.dataValidation) == [
        "C2:C3",
        "D2:D3",
    ]


def test_a_thumbnail_stands_in_its_row() -> None:
    """Each picture is shown beside its words, at its own size, and moves with its row."""
    shown = [
        WorkbookRow(row_of(f"{n}.png"), f"{n:064x}", thumbnail=jpeg(n) if n != 1 else b"")
        for n in range(3)
    ]
    data = workbook.dump(shown, WORDS, 64)
    page = opened(data)

    found = [
        (picture.anchor._from.row, picture.anchor._from.col, picture._data())
        for picture in page._images
    ]
    assert found == [(1, 0, jpeg(0)), (3, 0, jpeg(2))]
    assert all(picture.anchor.editAs in (None, "twoCell") for picture in page._images)
    assert page.row_dimensions[2].height in (None, 51.0)
    assert page.sheet_format.defaultRowHeight == 51.0


def test_the_same_rows_are_the_same_bytes() -> None:
    """No clock and no random name is in the file."""
    assert workbook.dump(SAMPLES, WORDS, 128) == workbook.dump(SAMPLES, WORDS, 128)
    with zipfile.ZipFile(io.BytesIO(workbook.dump(SAMPLES, WORDS, 128))) as parts:
        assert {one.date_time[0] for one in parts.infolist()} == {1980}
        assert b"2000-01-01T00:00:00Z" in parts.read("docProps/core.xml")


def test_without_a_tagger_there_are_no_categories() -> None:
    """A folder that was never tagged has the plain columns, and a thumbnail."""
    page = opened(
        workbook.dump([WorkbookRow(row_of("a.png", tags="mine"), "0" * 64, ("mine",))], WORDS, 128)
    )

    assert [cell.value for cell in page[1]] == [
        "picture", "key", "keep", "weight", "rating", "tags", "caption", "concept", "notes",
        "revision",
    ]  # fmt: skip


def test_it_comes_back() -> None:
    """What was written is read, whatever a spreadsheet would have calculated of it."""
    sheet = read(workbook.dump(SAMPLES, WORDS, 128), "s.xlsx")

    assert sheet.read_as == "XLSX"
    assert [found.row.key for found in sheet.found] == ["a.png", "b.png"]
    assert sheet.found[0].row.cells == SAMPLES[0].row.cells
    assert sheet.found[1].row["weight"] == "0.5"
    assert dict(sheet.found[0].categories) == {
        "character": "miku",
        "general": "1girl, =_=",
        "other": "mine",
    }


def test_what_no_cell_can_hold_is_said_in_its_place() -> None:
    """Row 38: a text too long for XLSX is not cut: its cell says so, and counts as unedited."""
    long = WorkbookRow(
        row_of("a.png", tags="x" * 40_000, caption="_x0041_"), "0" * 64, ("x" * 40_000,)
    )
    page = opened(workbook.dump([long], WORDS, 128))

    assert page.cell(2, 6).value == "(40000 characters: too long for a cell)"
    assert page.cell(2, 7).value == "(7 characters: XLSX cannot hold `_x....`)"


def test_tags_that_no_cell_can_hold_are_said_so_in_the_columns_of_categories() -> None:
    """Row 38: the sheet says it once, in the last of them, and comes back as unedited."""
    listed = ("1girl", "x" * 40_000)
    graded = {"general": [[tag, 0.9] for tag in listed], "meta": [["scan", 0.2]]}
    long = WorkbookRow(row_of("a.png", tags=", ".join(listed)), "0" * 64, listed, graded)
    (found,) = read(workbook.dump([long], WORDS, 128), "s.xlsx").found

    said = "(40007 characters: too long for a cell)"
    assert (found.row["tags"], dict(found.categories)) == (said, {"general": "", "meta": said})
    assert found.row == revised(row_of("a.png", tags=said), "0" * 64, found.categories)


def test_what_a_file_says_of_its_size_is_not_believed() -> None:
    """A worksheet whose dimension names one cell is read whole."""
    written = io.BytesIO(saved([COLUMNS, ["a.png", *[None] * 3, "1girl"]]))
    told = io.BytesIO()
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(told, "w") as lying:
        for name in source.namelist():
            part = source.read(name).replace(b'<dimension ref="A1:I2"', b'<dimension ref="A1:A1"')
            assert b"sheet1" not in name.encode() or b'"A1:A1"' in part
            lying.writestr(name, part)

    assert read(told.getvalue(), "s.xlsx").rows() == (row_of("a.png", tags="1girl"),)


def test_an_apostrophe_that_came_from_csv_comes_off() -> None:
    """Row 32: a CSV saved as XLSX keeps the apostrophes of CSV; a person's own one stays."""
    ours = WorkbookRow(row_of("a.png", tags="'=1"), "0" * 64, ("'=1",))
    (row,) = read(workbook.dump([ours], WORDS, 64), "s.xlsx").rows()
    theirs = revised(row_of("a.png", tags="=_="), "0" * 64)
    cells = [theirs.key, theirs.revision, None, None, "'=_="]

    assert row["tags"] == "'=1"
    assert read(saved([COLUMNS, cells]), "s.xlsx").rows() == (theirs,)


@pytest.mark.parametrize(
    ("cell", "typed", "formula"),
    [
        ("plain", "plain", False),
        (39, "39", False),
        (1.5, "1.5", False),
        (1e10, "10000000000", False),
        (True, "TRUE", False),
        (datetime.datetime(2024, 1, 2), "2024-01-02", False),  # noqa: DTZ001
        (datetime.time(12, 30), "12:30:00", False),
        ("=1+1", "=1+1", True),
        ("line_x000D_\nend", "line\nend", False),
    ],
)
def test_typed_cells_become_text(cell: object, typed: str, formula: bool) -> None:
    """Row 35: numbers, dates, truth values and formulas are seen for what they are."""
    sheet = read(saved([COLUMNS, ["a.png", *[None] * 3, cell]]), "s.xlsx")

    assert sheet.rows() == (row_of("a.png", tags=typed),)
    assert (next(iter(sheet.found)).formulas == {"tags"}) is formula


def test_columns_are_found_by_name_in_every_worksheet() -> None:
    """Row 36: columns may be moved; further worksheets count where they hold rows."""
    book = openpyxl.load_workbook(io.BytesIO(saved([COLUMNS, ["a.png"]])))
    book.create_sheet("mine").append(["anything"])
    more = book.create_sheet("pictures 2")
    more.append([*reversed(COLUMNS)])
    more.append([*[None] * (len(COLUMNS) - 1), "b.png", "beside the table"])
    stream = io.BytesIO()
    book.save(stream)

    assert read(stream.getvalue(), "s.xlsx").rows() == (row_of("a.png"), row_of("b.png"))


def bomb() -> bytes:
    """Return an archive that claims two gigabytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as parts:
        parts.writestr("xl/workbook.xml", "")
        parts.writestr("xl/worksheets/sheet1.xml", "")
        parts.infolist()[1].file_size = 2 << 30
    return stream.getvalue()


def office_text() -> bytes:
    """Return an archive of another kind."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as parts:
        parts.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: b"\xd0\xcf\x11\xe0" + b"\0" * 100, "`s.xlsx` is of Excel 97, or has a password"),
        (lambda: workbook.dump(SAMPLES, WORDS, 64)[:-100], "`s.xlsx` is not a sound XLSX file"),
        (office_text, "`s.xlsx` is not an XLSX file"),
        (bomb, "`s.xlsx` holds 2048 MB in 0.0 MB, which is more than a sheet can"),
    ],
)
def test_a_file_that_is_no_workbook(data: Callable[[], bytes], message: str) -> None:
    """Whatever else was saved, or half of it, is two lines."""
    assert told(data()) == [(message, "save it as XLSX or CSV")]


def test_any_damage_is_two_lines(tmp_path: Path) -> None:
    """A byte that flips anywhere in a workbook never ends in a traceback."""
    good = workbook.dump(SAMPLES, WORDS, 64)
    chance = random.Random(0)
    for _ in range(40):
        data = bytearray(good)
        for _ in range(3):
            data[chance.randrange(4, len(data))] ^= 1 << chance.randrange(8)
        with suppress(DatasetError):
            read(bytes(data), "s.xlsx")


def test_categories_apart_and_together() -> None:
    """Tags go into the columns of their categories, unknown ones into `other`, and come back."""
    graded = [{"general": [["1girl", 0.9], ["hat", 0.2]]}, {"character": [["miku", 0.8]]}]
    of = category_of(graded)
    names = in_order({"general", "other", "character", "zoo", "meta"})
    twice = category_of([{"a new one": [["x", 0.9]], "meta": [["x", 0.1]]}])

    assert of == {"1girl": "general", "hat": "general", "miku": "character"}
    assert twice == {"x": "meta"}
    assert names == ["character", "general", "meta", "zoo", "other"]
    assert apart(["mine", "miku", "1girl"], of, names) == ["miku", "1girl", "", "", "mine"]


@pytest.mark.parametrize(
    ("character", "general", "made"),
    [
        ("miku", "1girl, hat", "1girl, miku, hat"),
        ("rin", "1girl, hat", "1girl, rin, hat"),
        ("", "1girl, hat", "1girl, hat"),
        ("miku, rin", "1girl, hat", "1girl, miku, rin, hat"),
        ("rin, miku", "1girl, hat", "1girl, rin, miku, hat"),
        ("miku", "1girl, solo, hat", "1girl, solo, miku, hat"),
        ("miku", "1girl, hat, solo", "1girl, miku, hat, solo"),
        ("miku", "hat", "miku, hat"),
        ("miku", "no humans, x", "no humans, x, miku"),
        ("", "", ""),
        ("miku", "1girl, hat, miku", "1girl, miku, hat"),
    ],
)
def test_an_edited_category_keeps_the_order(character: str, general: str, made: str) -> None:
    """New tags stand beside their neighbours in the cell, or where the old ones stood."""
    assert together("1girl, miku, hat", {"character": character, "general": general}) == made
