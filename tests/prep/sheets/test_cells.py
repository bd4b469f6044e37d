"""Cells and rows of the review sheet: what is disarmed, and what counts as an edit."""

import base64
import csv
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prep.sheets.cells import guarded, meant_as, unguarded, units
from prep.sheets.columns import WORDS, short
from prep.sheets.row import digest_of_set, revised, revision
from prep.tags.tag_text import spaced
from tests.prep.sheet_rows import changed, row_of

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
# File -> the columns that hold names.
VOCABULARIES = {
    "danbooru-tags/danbooru_top.csv": slice(0, 1),
    "danbooru-tags/e621_sfw.csv": slice(0, 1),
    "danbooru-tags/tag_aliases.csv": slice(0, 2),
    "danbooru-tags/tag_implications.csv": slice(0, 2),
    "wd-selected-tags-synthetic/selected_tags.csv": slice(1, 2),
}
PICTURE = "0123456789abcdef" * 4


def names() -> Iterator[str]:
    """Yield every name of the vocabularies, and each alias."""
    for file, columns in VOCABULARIES.items():
        with (DATA / file).open(encoding="utf-8", newline="") as lines:
            for line in csv.reader(lines):
                yield from line[columns]
                yield from line[3].split(",") if len(line) > 3 and columns.start == 0 else ()


@pytest.mark.parametrize("number", [False, True])
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.one_of(st.text(), st.from_regex(r"'*[=+@0-9][0-9./ -]{0,9}", fullmatch=True)))
def test_the_apostrophe_comes_off_again(number: bool, cell: str) -> None:
    """Row 32: whatever a cell holds, reading undoes exactly what writing did."""
    assert unguarded(guarded(cell, number), number) == cell


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        *((cell, "number") for cell in ("39", "1.5", "1,000", "007", "1E+10", "50 %", "-3", "$5")),
        *(
            (cell, "date")
            for cell in (
                "1-2",
                "3/4",
                "02-Jan",
                "2024-01-02",
                "12:30",
                "4:5",
                "3:",
                "9 pm",
                "MARCH1",
            )
        ),
        *((cell, "date") for cell in ("Sept 2", "1/2/2024", "2024-01-02 00:00:00", "1 1/2")),
        *((cell, "truth") for cell in ("TRUE", "false")),
        *((cell, "") for cell in ("1girl", "6+girls", "0_0", "may", "a 1", "3d", "x" * 100)),
    ],
)
def test_what_a_spreadsheet_would_make_of_text(cell: str, kind: str) -> None:
    """Rows 32 and 35: numbers, dates and truth values are known, and disarmed when exported."""
    assert meant_as(cell) == kind
    assert guarded(cell).startswith("'") is bool(kind)


def test_every_name_of_the_vocabularies_is_one_tag_again() -> None:
    """Row 32: each name, alone in a cell as label or tag, comes back; none begins a formula."""
    if not DATA.is_dir():
        pytest.skip("../shared/data is absent")
    count = 0
    for name in names():
        for tag in {name, spaced(name)}:
            cell = guarded(tag)
            assert unguarded(cell) == tag
            assert not cell.startswith(("=", "+", "-", "@"))
            assert not meant_as(cell), cell
        count += 1

    assert count > 50_000


def test_a_revision_knows_its_picture_and_each_cell() -> None:
    """A revision is one word; it names the columns whose cells were not empty, with digests."""
    row = revised(row_of("a.png", tags="b, a", caption="x", weight="1.5"), PICTURE)
    found = revision(row)
    cells = {"tags": "eln3zn", "caption": "fvyrmq", "weight": "t4u2cm"}

    assert row.revision == "v2.0123456789.tags-eln3zn.caption-fvyrmq.weight-t4u2cm:lgzhdl"
    assert found is not None
    assert found.picture == PICTURE[:10]
    assert found.cells == cells == {name: short(row[name]) for name in cells}
    assert {name: found.exported(name) for name in WORDS} == {n: row.digest(n) for n in WORDS}
    assert found.exported("luma") == short("")
    assert found.tag_set == digest_of_set("a, b")
    assert found.categories == frozenset()

    split = revised(row, PICTURE, ("general", "character"))
    assert split.revision == row.revision + short("general") + short("character")
    assert revision(split) == replace(
        found, categories=frozenset({short("general"), short("character")})
    )


def test_a_revision_that_was_cut_is_none() -> None:
    """Wherever a revision ends before its tags do, it is not whole, and says nothing."""
    row = revised(row_of("a.png", rating="general", tags="b, a", notes="x"), PICTURE)

    cut = [revision(changed(row, revision=row.revision[:end])) for end in range(len(row.revision))]

    assert cut == [None] * len(row.revision)


@pytest.mark.parametrize("name", WORDS)
def test_an_edited_cell_has_another_digest(name: str) -> None:
    """One edited cell changes its own digest in the revision and no other one's."""
    before, after = (
        revision(revised(row_of("a.png", **{name: cell}), PICTURE)) for cell in ("1", "2")
    )

    assert before is not None
    assert after is not None
    assert {n for n in WORDS if before.exported(n) != after.exported(n)} == {name}


@pytest.mark.parametrize(
    ("name", "cell", "same"),
    [
        ("tags", "a,  b ,a,", "a, b"),
        ("tags", "a\nb", "a, b"),
        ("caption", " x\r\ny ", "x\ny"),
        ("caption", "\u30ab\u3099", "\u30ac"),
        ("keep", " No", "no"),
        ("keep", "drop", "no"),
        ("keep", "keep", "yes"),
        ("weight", "0,50", "0.5"),
        ("weight", "2.0", "2"),
    ],
)
def test_what_is_no_edit(name: str, cell: str, same: str) -> None:
    """Spaces, line ends, Unicode forms and a decimal comma say nothing."""
    assert WORDS[name].said(cell) == same
    assert WORDS[name].digest(cell) == WORDS[name].digest(same)


def test_the_digest_of_nothing_is_no_exception() -> None:
    """An empty cell has the digest that any text would have."""
    whole = base64.b32encode(hashlib.sha256(b"").digest()).decode().lower()

    assert {column.digest(" ") for column in WORDS.values()} == {whole[:6]}
    assert digest_of_set("") == whole[:6]


def test_length_is_counted_as_excel_does() -> None:
    """A character beyond the first plane counts twice."""
    assert units("a\U0001f600") == 3
