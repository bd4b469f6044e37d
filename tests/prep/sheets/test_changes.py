"""Three ways: what was exported, what the sheet says, what holds now."""

import io
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain, product
from typing import Any

import pytest
import xlsxwriter  # type: ignore[import-untyped]
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from prep.runtime.errors import DatasetError
from prep.sheets import comparison as rules_of_changes
from prep.sheets import csv_text, long_form, reading, workbook
from prep.sheets.changes import Changes, Conflict
from prep.sheets.columns import WORDS
from prep.sheets.comparison import Now, changes_of
from prep.sheets.row import Row, exported, revised
from prep.sheets.table import ReturnedRow, ReturnedSheet
from prep.tags import tag_text as text_of_tags
from tests.prep.sheet_rows import COLUMNS, changed, row_of, texts_of
from tests.rows import few_of

KEYS = ("a.png", "b.png", "c.png")
PICTURES = {key: f"{number:02x}" * 32 for number, key in enumerate(KEYS, start=1)}
ROWS = {
    key: revised(row_of(key, tags=f"1girl, {key[0]}", caption=f"a {key[0]}"), PICTURES[key])
    for key in KEYS
}


def sheet(*rows: Row, **more: Any) -> ReturnedSheet:
    """Return a sheet that came back."""
    found = [ReturnedRow(row, f"`s.csv` row {at}", **more) for at, row in enumerate(rows, start=2)]
    return ReturnedSheet(tuple(found), "CSV")


def now(
    rows: Mapping[str, Row] = ROWS, persons: Mapping[tuple[str, str], str] | None = None
) -> Now:
    """Return what holds."""
    return Now(rows.get, PICTURES, persons or {})


@pytest.mark.parametrize(("theirs", "ours", "person"), [*product("xyz", "xyz", (False, True))])
def test_every_way_that_three_versions_can_differ(theirs: str, ours: str, person: bool) -> None:
    """Row 37: unchanged, sheet only, disk only, both equal, conflict: each as its name says."""
    base = revised(row_of("a.png", notes="x"), PICTURES["a.png"])
    holds = {"a.png": changed(base, notes=ours)}
    persons = {("a.png", "notes"): "tags.csv"} if person else {}

    changes = changes_of(sheet(changed(base, notes=theirs)), now(holds, persons))

    edited, moved = theirs != "x", ours != "x"
    both = edited and moved and theirs != ours
    assert (changes.taken == {("a.png", "notes"): theirs}) is (
        edited and theirs != ours and not (both and person)
    )
    assert bool(changes.conflicts) is (both and person)
    assert changes.same == (edited and theirs == ours)
    assert changes.elsewhere == (moved and not edited)
    assert changes.mistakes.first == []


def test_a_conflict_holds_its_whole_row() -> None:
    """Row 37: nothing of a row with a conflict is taken, until one side is said to be right."""
    edited = changed(ROWS["a.png"], tags="sheet", notes="kept")
    holds = ROWS | {"a.png": changed(ROWS["a.png"], tags="disk")}

    def fresh() -> Changes:
        return changes_of(sheet(edited), now(holds, {("a.png", "tags"): "a.txt"}))

    open_, ours, theirs = fresh(), fresh(), fresh()
    open_.settle("")
    ours.settle("ours")
    theirs.settle("theirs")

    why = "the sheet says `sheet`, a.txt says `disk`"
    assert open_.conflicts == {("a.png", "tags"): Conflict("sheet", why)}
    assert open_.taken == {}
    assert (ours.conflicts, theirs.conflicts) == ({}, {})
    assert ours.taken == {("a.png", "notes"): "kept"}
    assert theirs.taken == {("a.png", "notes"): "kept", ("a.png", "tags"): "sheet"}


def test_a_sheet_of_another_dataset() -> None:
    """A sheet that shows none of the pictures is foreign, be its keys the same or not."""
    others = [revised(changed(row, notes="x"), "f" * 64) for row in ROWS.values()]

    assert changes_of(sheet(*others), now()) == Changes(foreign=True)
    assert changes_of(sheet(row_of("z.png")), now()) == Changes(foreign=True)
    assert not changes_of(sheet(), now()).foreign


def test_a_row_belongs_to_its_picture_whatever_its_key() -> None:
    """Row 35: a key that was changed, or a picture that was renamed, is found by its content."""
    edited = changed(ROWS["b.png"], key="1E+10", notes="x")
    changes = changes_of(sheet(edited, ROWS["a.png"]), now())

    assert changes.taken == {("b.png", "notes"): "x"}
    assert changes.notes == ["`1E+10` is `b.png` now: it is the same picture"]
    assert changes.mistakes.first == []


def test_keys_that_cannot_be_told_are_refused() -> None:
    """Row 35: without its revision a row is refused; so are two rows of one picture."""
    lost = changed(ROWS["b.png"], revision="0")
    twice = changed(ROWS["b.png"], key="copy.png")

    assert changes_of(sheet(ROWS["a.png"], lost), now()).mistakes.first == [
        (
            "`s.csv` row 3 has no whole `revision`",
            "undo that, or move the sheet away and run `prep review export`",
        )
    ]
    assert changes_of(sheet(ROWS["b.png"], twice), now()).mistakes.first == [
        (
            "`s.csv` row 3 and `s.csv` row 2 are both of `b.png`",
            "keep one of them",
        )
    ]


def test_twins_are_told_apart_by_their_keys() -> None:
    """Two pictures with the same content keep a row each; a third name for it is not guessed."""
    twins = {"c.png": PICTURES["a.png"], "a.png": PICTURES["a.png"]}
    holds = {key: revised(row_of(key), PICTURES["a.png"]) for key in twins}
    found = Now(holds.get, twins, {})

    changes = changes_of(sheet(changed(holds["c.png"], notes="c"), holds["a.png"]), found)
    assert changes.taken == {("c.png", "notes"): "c"}

    strange = changed(holds["c.png"], key="d.png", notes="d")
    assert changes_of(sheet(strange), found).mistakes.first == [
        ("`s.csv` row 2: there is no picture `d.png`", "did you mean `c.png`?")
    ]


def test_revisions_sorted_alone_are_refused() -> None:
    """Row 36: revisions that were sorted without their rows are those of other pictures."""
    turned = (
        changed(ROWS["a.png"], revision=ROWS["b.png"].revision),
        changed(ROWS["b.png"], revision=ROWS["a.png"].revision),
    )
    assert changes_of(sheet(*turned), now()).mistakes.first == [
        (
            f"`s.csv` row {at}: the revision is that of `{of}`, not of `{key}`",
            f"sort whole rows; if the picture was renamed, write `{of}` as its key",
        )
        for at, key, of in ((2, "a.png", "b.png"), (3, "b.png", "a.png"))
    ]


def test_a_picture_that_was_replaced_or_is_gone() -> None:
    """Words typed for other pixels wait for a person; words for no picture cannot be taken."""
    others = {"a.png": "ee" * 32, "b.png": PICTURES["b.png"]}
    holds = {key: revised(ROWS[key], others[key]) for key in others}
    edited = [changed(ROWS[key], notes=f"for {key}") for key in ("a.png", "c.png")]

    changes = changes_of(sheet(*edited, ROWS["b.png"]), Now(holds.get, others, {}))

    assert {at: (one.why, one.lost) for at, one in changes.conflicts.items()} == {
        ("a.png", "notes"): (
            "the sheet says `for a.png`, but the picture was replaced since",
            False,
        ),
        ("c.png", "notes"): (
            "the sheet says `for c.png`, but the picture is gone or cannot be read",
            True,
        ),
    }
    changes.settle("theirs")
    assert changes.taken == {("a.png", "notes"): "for a.png"}
    assert list(changes.conflicts) == [("c.png", "notes")]

    holds["a.png"] = changed(holds["a.png"], notes="for a.png ")
    again = changes_of(sheet(*edited, ROWS["b.png"]), Now(holds.get, others, {}))
    assert list(again.conflicts) == [("c.png", "notes")]
    assert again.same == 1


def test_a_formula_is_refused_wherever_it_would_be_read() -> None:
    """Row 32: a cell that was calculated is no text, even where it shows what was exported."""
    formula = ReturnedRow(
        changed(ROWS["a.png"], tags="=_="), "`s.csv` row 2", formulas=frozenset({"tags"})
    )

    assert changes_of(ReturnedSheet((formula,), "XLSX"), now()).mistakes.first == [
        (
            "`s.csv` row 2, column `tags`: a formula stands where text was",
            "type it again with a `'` in front",
        )
    ]


def test_tags_of_categories_go_into_the_tags() -> None:
    """A category's cell is edited like the tags themselves, but not both of them differently."""
    cells = {"character": "a", "general": "1girl"}
    row = ROWS["a.png"]

    def taken(row: Row, **edited: str) -> Changes:
        return changes_of(sheet(row, categories=cells | edited), now())

    assert taken(row) == Changes()
    assert taken(row, character="b, c").taken == {("a.png", "tags"): "1girl, b, c"}
    assert taken(row, general="").taken == {("a.png", "tags"): "a"}
    both = changed(row, tags="x")
    assert taken(both).taken == {("a.png", "tags"): "x"}
    assert taken(both, character="y").mistakes.first == [
        (
            "`s.csv` row 2: `tags` and the tags of a category were both edited",
            "undo one of the two",
        )
    ]
    made = "`02-Jan` may be a date that the spreadsheet made"
    assert taken(row, character="02-Jan").mistakes.first == [
        (
            f"`s.csv` row 2, column `character tags`: {made}",
            "if not, type `''02-Jan`",
        )
    ]


letters = st.characters(exclude_categories=["Cs", "Cc"])
hostile = st.one_of(
    st.text(st.one_of(st.sampled_from("=+-@',;\" \n_x0"), letters), max_size=12),
    st.sampled_from(
        [
            "=_=",
            "@_@",
            "+_+",
            "+_-",
            "''",
            "'=1",
            "NULL",
            "nan",
            "007",
            "1e3",
            "1-2",
            "4:5",
            "sep=;",
        ]
    ),
    st.sampled_from(
        ["#NAME?", "TRUE", "_x0041_", "_x005F_", "\ufffd", "caf\xc3\xa9", "???", "\u2019"]
    ),
)
sample = st.fixed_dictionaries(
    {
        "keep": st.sampled_from(["", "yes", "no"]),
        "rating": st.sampled_from(["general", "TRUE"]),
        "tags": st.lists(hostile, max_size=4).map(
            lambda some: list(text_of_tags.parsed(text_of_tags.joined(some, escape=False)))
        ),
        "caption": hostile,
        "concept": hostile.map(lambda cell: cell.replace("\n", "")),
        "weight": st.sampled_from([None, 0.0, 0.25, 3.0]),
        "notes": hostile,
        "duplicate_of": st.none(),
    }
)


@settings(
    suppress_health_check=[HealthCheck.too_slow],
    deadline=None,
    max_examples=40,
    phases=[Phase.explicit, Phase.generate],
)
@given(st.lists(sample, min_size=1, max_size=3), st.booleans(), st.data())
def test_hostile_sheets_come_back(samples: list[Any], as_text: bool, data: st.DataObject) -> None:
    """Rows 32 to 36: whatever cells hold, an untouched sheet is no edit, and one edit is one."""
    pictures = {f"={n}.png": f"{n:064x}" for n in range(len(samples))}
    named = {
        key: one
        | {"digest": pictures[key], "graded": {"general": [[tag, 0.5] for tag in one["tags"]]}}
        for key, one in zip(pictures, samples, strict=True)
    }
    holds = {row.key: row for row in exported(named, WORDS)}
    rows = list(holds.values())
    written = (
        csv_text.dump(rows[::-1], WORDS)
        if as_text
        else workbook.dump(workbook.shown(named, WORDS), WORDS, 16)
    )

    came = reading.parse(io.BytesIO(written), "s", WORDS)
    came = replace(came, found=tuple(came.found))
    untouched = changes_of(came, Now(holds.get, pictures, {}))
    assert (untouched.taken, untouched.conflicts, untouched.mistakes.first) == ({}, {}, [])

    at, column = data.draw(st.sampled_from(range(len(rows)))), data.draw(st.sampled_from([*WORDS]))
    cell = {"keep": "no", "weight": "7"}.get(column, "a person's words")
    found = [*came.found]
    before = found[at].row
    found[at] = replace(found[at], row=changed(before, **{column: cell}))
    changes = changes_of(ReturnedSheet(tuple(found), ""), Now(holds.get, pictures, {}))
    same = WORDS[column].said(cell) == before.said(column)
    assert changes.taken == ({} if same else {(before.key, column): cell})
    assert (changes.conflicts, changes.mistakes.first) == ({}, [])


def test_rows_stand_in_the_order_of_keys() -> None:
    """However the samples come."""
    cells = ("keep", "rating", "tags", "caption", "concept", "weight", "notes", "duplicate_of")
    samples = {key: dict.fromkeys(cells) | {"digest": PICTURES[key]} for key in reversed(KEYS)}

    assert [row.key for row in exported(samples, WORDS)] == [*KEYS]
    assert [one.row.key for one in workbook.shown(samples, WORDS)] == [*KEYS]


def test_the_long_form_has_a_line_for_each_tag() -> None:
    """One line a picture and tag: what is kept, in order, then what the tagger saw besides.

    A tag that has the name of a rating is not the rating.
    """
    cells = dict.fromkeys(("keep", "rating", "caption", "concept", "weight", "notes"))
    row = {
        "digest": "0" * 64, "duplicate_of": None, "tags": ["=_=", "mine", "explicit"], **cells,
        "graded": {
            "general": [["=_=", 0.987], ["hat", 0.2]],
            "character": [["miku", 0.15]],
            "rating": [["general", 0.9], ["explicit", 0.001]],
        },
    }  # fmt: skip

    made = long_form.dump(workbook.shown({"a.png": row}, WORDS), WORDS)

    assert made.decode("utf-8-sig").splitlines() == [
        "key,position,tag,category,score,kept",
        "a.png,1,'=_=,general,0.987,yes",
        "a.png,2,mine,other,,yes",
        "a.png,3,explicit,other,,yes",
        "a.png,,miku,character,0.150,no",
        "a.png,,hat,general,0.200,no",
        "a.png,,general,rating,0.900,no",
        "a.png,,explicit,rating,0.001,no",
    ]


def test_rows_of_pictures_that_are_not_here_are_counted() -> None:
    """Case D4: of very many rows of no picture, twenty are told and the others counted."""
    unknown = (
        changed(revised(row_of(f"{n}.png"), f"{n:064x}"[::-1]), notes="mine" * (n % 2))
        for n in range(1, 1001)
    )
    found = (ReturnedRow(one, f"`s.csv` row {at}") for at, one in enumerate(unknown, start=3))
    known = ReturnedRow(ROWS["a.png"], "`s.csv` row 2")

    changes = changes_of(ReturnedSheet(chain([known], found), "CSV"), now())

    assert changes.rows == 1001
    assert [key for key, _ in changes.conflicts] == [f"{n}.png" for n in range(1, 41, 2)]
    assert changes.lost == 20 + 961
    changes.settle("ours")
    assert (changes.lost, changes.conflicts, changes.taken) == (0, {}, {})


def test_edited_rows_are_held_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case D4: edited words that together take more memory than a sheet may are two lines."""
    monkeypatch.setattr(rules_of_changes, "_MOST_HELD", 1 << 20)
    few, many = ({"notes": "x" * size} for size in (1_000, 1_000_000))

    assert changes_of(sheet(*(changed(ROWS[key], **few) for key in KEYS)), now()).taken
    with pytest.raises(DatasetError) as caught:
        changes_of(sheet(*(changed(ROWS[key], **many) for key in KEYS)), now())
    assert (str(caught.value), caught.value.hint) == (
        "`s.csv` row 2: the edited rows up to here take over 1 MB",
        "import the sheet in several parts",
    )


def test_what_a_message_says_of_a_long_cell() -> None:
    """Case D4: a mistake or conflict tells the beginning of a cell of a million characters."""
    long = changed(ROWS["b.png"], keep="x" * 900_000)
    gone = changed(revised(row_of("z.png"), "ff" * 32), notes="y" * 900_000)

    changes = changes_of(sheet(long, gone), now())

    (told,) = changes.mistakes.first
    assert len(told[0]) < 3000
    assert told[0].endswith("xxx...")
    assert len(changes.conflicts["z.png", "notes"].why) < 3000


@pytest.mark.parametrize("kind", few_of(["csv", "xlsx"]))
def test_a_sheet_is_never_held_whole(kind: str) -> None:
    """Case D4: a sheet of 40,000 rows takes far less memory than it is long."""
    rows = (
        revised(row_of(f"{n}.png", caption="c" * 300), f"{n:064x}"[::-1]) for n in range(40_000)
    )
    if kind == "csv":
        file = io.BytesIO(csv_text.dump(rows, WORDS))
    else:
        file = io.BytesIO()
        book = xlsxwriter.Workbook(file, {"constant_memory": True})
        page = book.add_worksheet()
        for at, cells in enumerate([COLUMNS, *(texts_of(one) for one in rows)]):
            page.write_row(at, 0, cells)
        book.close()
    tracemalloc.start()
    try:
        changes = changes_of(reading.parse(file, "s", WORDS), now(persons={}))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (changes.rows, changes.foreign) == (40_000, True)
    assert most < 16 << 20
