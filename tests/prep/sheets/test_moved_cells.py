"""Cells that left their rows: nobody's words may go to another picture."""

from collections.abc import Callable, Sequence

import pytest

from prep.sheets.changes import Changes
from prep.sheets.comparison import Now, changes_of
from prep.sheets.mistakes import Mistake
from prep.sheets.moved_cells import moved
from prep.sheets.row import Row, revised
from prep.sheets.table import ReturnedRow, ReturnedSheet
from tests.prep.sheet_rows import changed, row_of

KEYS = tuple("abcdef")
PICTURES = {key: f"{number:02x}" * 32 for number, key in enumerate(KEYS, start=1)}
ROWS = [
    revised(row_of(key, tags=f"hero, 1girl, sky, {key}", caption=f"it is {key}"), PICTURES[key])
    for key in KEYS
]
HINT = "were cells sorted or shifted without their rows? undo it, or edit the text files"
Order = Callable[[list[str]], list[str]]


def told(rows: Sequence[Row], general: Sequence[str] | None = None) -> list[Mistake]:
    """Return what is wrong with a sheet, without or with columns for two categories."""
    found = [
        ReturnedRow(
            one,
            "row",
            {} if general is None else {"character": "hero", "general": general[at]},
        )
        for at, one in enumerate(rows)
    ]
    holds = {one.key: one for one in ROWS}
    return changes_of(
        ReturnedSheet(tuple(found), "CSV"), Now(holds.get, PICTURES, {})
    ).mistakes.first


ORDERS: dict[str, tuple[Order, str]] = {
    "two swapped": (lambda cells: [cells[1], cells[0], *cells[2:]], "2 of 2"),
    "sorted": (lambda cells: cells[::-1], "6 of 6"),
    "shifted up": (lambda cells: [*cells[1:], ""], "5 of 6"),
    "shifted down": (lambda cells: ["new", *cells[:-1]], "5 of 6"),
    "sorted, one typed": (lambda cells: ["new", *cells[-2::-1]], "5 of 6"),
    "deleted in the middle": (lambda cells: [*cells[:2], *cells[3:], ""], "3 of 4"),
}


@pytest.mark.parametrize(("order", "count"), ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("column", ["tags", "caption"])
def test_cells_that_left_their_rows_are_refused(column: str, order: Order, count: str) -> None:
    """Row 36: a column sorted alone, and cells deleted or inserted alone, take nothing along."""
    cells = order([one[column] for one in ROWS])
    rows = [changed(one, **{column: cell}) for one, cell in zip(ROWS, cells, strict=True)]

    wrong = told(rows)

    assert wrong == [(f"{count} edited cells of `{column}` say what another row said", HINT)]


@pytest.mark.parametrize(("order", "count"), ORDERS.values(), ids=ORDERS)
def test_cells_of_a_category_that_left_their_rows_are_refused(order: Order, count: str) -> None:
    """Row 36: the columns of categories as well, though each is only a part of the tags."""
    cells = order([f"1girl, sky, {key}" for key in KEYS])

    wrong = told(ROWS, cells)

    assert wrong == [(f"{count} edited cells of `general tags` say what another row said", HINT)]


def test_a_character_that_many_have_may_be_typed_anywhere() -> None:
    """Two characters taken for each other in many pictures are no sorted column."""
    names = ["ann", "ann", "ann", "bea", "bea", "bea"]
    rows = [
        revised(row_of(key, tags=f"{name}, {key}"), PICTURES[key])
        for key, name in zip(KEYS, names, strict=True)
    ]
    found = [
        ReturnedRow(one, "row", {"character": name, "general": one.key})
        for one, name in zip(rows, ["bea", *names[1:-1], "ann"], strict=True)
    ]

    changes = changes_of(
        ReturnedSheet(tuple(found), "XLSX"), Now({one.key: one for one in rows}.get, PICTURES, {})
    )

    assert changes.mistakes.first == []
    assert changes.taken == {("a", "tags"): "bea, a", ("f", "tags"): "ann, f"}


def test_typed_cells_are_no_moved_ones() -> None:
    """One text for many rows, a caption taken over from another row, cells emptied and filled."""
    assert moved([]) == 0
    assert moved([("a", "b")]) == 0
    assert moved([("a", "b"), ("b", "x")]) == 0
    assert moved([("a", "a2"), ("a", "a3")]) == 0
    assert moved([("a", "x"), ("b", "x"), ("c", "x")]) == 0
    assert moved([("", "x"), ("", "y"), ("b", ""), ("c", ""), ("d", "")]) == 0
    assert moved([("a", "b"), ("b", "a"), ("c", "x"), ("d", "y")]) == 0
    assert moved([("a", "b")] * 5 + [("b", "c")] * 5 + [("c", "d")] * 5) == 0
    assert moved([("a", "b"), ("a", "b"), ("b", "a"), ("b", "a")]) == 4


def test_a_deleted_column_of_a_category_takes_no_tags_away() -> None:
    """Row 36: where one of them is gone nothing is taken; where all are, `tags` is read."""
    split = {"character": "hero", "general": "1girl, sky, a"}
    holds = {one.key: one for one in ROWS}
    exported = revised(ROWS[0], PICTURES["a"], split)

    def changes(*left: str, **cells: str) -> Changes:
        categories = {name: split[name] for name in left}
        found = ReturnedRow(changed(exported, **cells), "row", categories)
        return changes_of(ReturnedSheet((found,), "XLSX"), Now(holds.get, PICTURES, {}))

    gone = (
        "a column with the tags of a category is gone",
        "put it back, or delete all of them: then `tags` alone is read",
    )
    assert changes("character").mistakes.first == [gone]
    assert changes("general", caption="typed").mistakes.first == [gone]
    assert changes(caption="typed") == Changes(taken={("a", "caption"): "typed"})
    assert changes("general", "character") == Changes()
