"""What is wrong with a whole column: it is gone, or its cells left their rows. Pure."""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence

from prep.runtime.counts import counted
from prep.sheets.cells import unguarded
from prep.sheets.columns import Column, short
from prep.sheets.edited import Edited
from prep.sheets.mistakes import Mistake
from prep.sheets.table import TAGS
from prep.tags import tag_text

_LEAST_MOVED = 2


def mistakes(rows: Sequence[Edited]) -> Iterator[Mistake]:
    """Yield what is wrong with columns: one of tags is gone, or cells went to other rows."""
    if any(_lacks_tags(one) for one in rows):
        yield (
            "a column with the tags of a category is gone",
            "put it back, or delete all of them: then `tags` alone is read",
        )
        return
    columns: dict[str, Sequence[tuple[Hashable, Hashable]]] = {}
    # Where cells are not nearly all different, a text in another row says nothing.
    known = rows[0].found.row.columns.values() if rows else ()
    columns |= {column.name: _cells(rows, column) for column in known if column.own}
    edited = [one for one in rows if one.of_categories]
    for name in dict.fromkeys(name for one in edited for name in one.found.categories):
        columns[name + TAGS] = _of_category(rows, name)
    for name, cells in columns.items():
        count = moved(cells)
        if count:
            told = f"{count} of {counted(len(cells), 'edited cell')} of `{name}`"
            yield (
                f"{told} {'says' if count == 1 else 'say'} what another row said",
                "were cells sorted or shifted without their rows? undo it, or edit the text files",
            )


def _lacks_tags(one: Edited) -> bool:
    """Return whether some, but not all columns of categories are gone; or tags would be lost."""
    there = {short(name) for name in one.found.categories}
    return bool(there) and not one.revision.categories <= there


def moved(cells: Sequence[tuple[Hashable, Hashable]]) -> int:
    """Return how many cells say what another one said; 0 where a person may have typed them.

    Two at least, and more than half: the others were typed, or fell out of the column. Emptied
    and filled cells are never more than half. What several of them said says nothing: of `1girl`
    a person may make `1girl, solo` in one half of a sheet, and of that something else in the other.

    Args:
        cells: (what was exported, what is there) of every edited cell.
    """
    before, after = Counter(was for was, _ in cells), Counter(now for _, now in cells)
    if before != after:  # else all of them changed places, and nothing was typed
        cells = [(was, now) for was, now in cells if before[was] == 1]
        before, after = Counter(was for was, _ in cells), Counter(now for _, now in cells)
    count = (before & after).total()
    return count if count >= _LEAST_MOVED and 2 * count > len(cells) else 0


def _cells(rows: Sequence[Edited], column: Column) -> list[tuple[str, str]]:
    name = column.name
    return [
        (one.revision.exported(name), column.digest(one.cells[name]))
        for one in rows
        if name in one.cells and not (one.of_categories and name == "tags")
    ]


def _of_category(rows: Sequence[Edited], name: str) -> list[tuple[frozenset[str], frozenset[str]]]:
    """Return the same of one category, as far as no other row had the same tags of it.

    What was exported is told by the tags of the row that stand anywhere in the column: moving
    cells takes none away. Many pictures have the same character: its cells are seldom one's own.
    """
    typed = [_tags(one.found.categories.get(name, "")) for one in rows]
    known = frozenset[str]().union(*typed)
    exported = [known & _tags(one.found.row["tags"]) for one in rows]
    count = Counter(exported)
    return [
        (was, now)
        for one, was, now in zip(rows, exported, typed, strict=True)
        if one.of_categories and was != now and count[was] == 1
    ]


def _tags(cell: str) -> frozenset[str]:
    return frozenset(tag_text.parsed(unguarded(cell)))
