"""Sheets that were exported before revisions named their columns.

`first_format` holds tags.csv and tags.xlsx as commit 083e1f9 exported them of three grey pictures,
`GREYS` below: tagged by `tiny`, a.bmp with the words of `WORDS`, and notes, weight and concept from
a sheet, b.bmp with `keep` = no; thumbnails of 16 px.
"""

import csv
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from PIL import Image

from prep.sheets.columns import short
from prep.sheets.row import digest_of_set, revised, revision
from tests.prep.projects import seen_files
from tests.prep.sheet_rows import changed, row_of

Prep = Callable[..., Any]
FIRST = Path(__file__).parent / "first_format"
GREYS = {"a.bmp": 51, "b.bmp": 102, "c.bmp": 204}
WORDS = {"a.txt": "=_=, hero, 1girl", "a.caption": 'a "hero", at 5:30'}
PICTURE = "0123456789abcdef" * 4


@pytest.fixture
def folder(home: Path) -> Path:
    """The pictures and texts, of which nothing is known, and the two sheets beside the folder."""
    (home / "images").mkdir()
    for name, grey in GREYS.items():
        Image.new("RGB", (64, 64), (grey,) * 3).save(home / "images" / name)
    for name, words in WORDS.items():
        (home / "images" / name).write_text(words)
    for file in FIRST.iterdir():
        shutil.copy(file, home / file.name)
    return home / "images"


def type_into(file: str, key: str, name: str, text: str) -> None:
    """Change one cell of a sheet and save it."""
    path = Path(file)
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines))
        for row in rows:
            row |= {name: text} if row["key"] == key else {}
        with path.open("w", encoding="utf-8-sig", newline="") as out:
            writer = csv.DictWriter(out, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        return
    book = openpyxl.load_workbook(path)
    page = book.worksheets[0]
    at = [cell.value for cell in page["B"]].index(key) + 1
    page.cell(at, [cell.value for cell in page[1]].index(name) + 1).value = text
    book.save(path)


@pytest.mark.parametrize("sheet", ["tags.csv", "tags.xlsx"])
def test_no_cell_of_it_is_an_edit(folder: Path, prep: Prep, sheet: str) -> None:
    """As it was exported, the sheet changes nothing, and no word of it is a person's."""
    told = prep("review", "import", sheet, "--in", "images")

    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines()[0].endswith(": 0 cells changed")
    assert {name: seen_files()[f"images/{name}"].decode() for name in WORDS} == WORDS
    assert not (folder / "b.txt").exists()


@pytest.mark.parametrize(
    ("sheet", "column"),
    [("tags.csv", "tags"), ("tags.xlsx", "tags"), ("tags.xlsx", "general tags")],
)
def test_its_edits_are_taken(folder: Path, prep: Prep, sheet: str, column: str) -> None:
    """What was typed into it is a person's, and nothing else; so it is in the next sheet."""
    type_into(sheet, "a.bmp", "notes", "typed")
    type_into(sheet, "b.bmp", column, "mine")

    told = prep("review", "import", sheet, "--in", "images")

    assert told.code == 0
    assert told.out.splitlines()[0].endswith(": 2 cells changed")
    with (folder / "tags.csv").open(encoding="utf-8-sig", newline="") as lines:
        rows = {row["key"]: row for row in csv.DictReader(lines)}
    assert [rows[key]["notes"] for key in GREYS] == ["typed", "", ""]
    assert [rows[key]["revision"][:13] for key in GREYS] == [f"v2.{mark}" for mark in _marks()]
    assert "mine" in (folder / "b.txt").read_text()


def _marks() -> list[str]:
    with (FIRST / "tags.csv").open(encoding="utf-8-sig", newline="") as lines:
        return [row["revision"][1:11] for row in csv.DictReader(lines)]


def first_revision(cells: Iterable[str], tags: str, categories: Iterable[str] = ()) -> str:
    """Return a revision as it was: digests in the order of the columns, then of tags and names."""
    return f"r{PICTURE[:10]}" + "".join(
        [*map(short, cells), digest_of_set(tags), *map(short, categories)]
    )


def test_what_it_says_is_what_a_revision_with_names_says() -> None:
    """Both tell of the same row the same, and neither is taken where it was cut."""
    row = revised(row_of("a", keep="no", tags="b, a", notes="x"), PICTURE, ("general", "meta"))
    first = first_revision(["no", "", "b, a", "", "", "", "x"], "b, a", ("general", "meta"))
    found, named = revision(changed(row, revision=first)), revision(row)

    assert found is not None
    assert named is not None
    assert (found.picture, found.tag_set) == (named.picture, named.tag_set)
    assert found.categories == named.categories
    assert [found.exported(name) for name in row.cells] == [
        named.exported(name) for name in row.cells
    ]
    whole = len(first) - 12
    assert [revision(changed(row, revision=first[:end])) for end in range(whole)] == [None] * whole
