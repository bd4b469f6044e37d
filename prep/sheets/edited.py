"""The rows of a sheet that somebody edited, and what is wrong with their cells. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prep.dataset.dataset_file import MOST_WEIGHT
from prep.sheets import mangled, row
from prep.sheets.categories import together
from prep.sheets.cells import unguarded
from prep.sheets.row import COLUMNS, Revision, Row
from prep.sheets.table import TAGS, Mistake, ReturnedRow

PROPOSED = "duplicate of "
_WEIGHTS = f"write a number from 0 to {MOST_WEIGHT:g}"


@dataclass(frozen=True)
class Edited:
    """A row with edited cells.

    Attributes:
        revision: What was exported.
        cells: Column -> what it says now, of the cells that say something else.
        of_categories: The tags were edited in the columns of categories.
    """

    found: ReturnedRow
    revision: Revision
    cells: Mapping[str, str]
    of_categories: bool = False


def edited(found: ReturnedRow, revision: Revision) -> Edited:
    """Return the cells of a row that say something else than was exported."""
    cells = {
        name: row.said(name, getattr(found.row, name))
        for name in row.EDITABLE
        if row.digest(name, getattr(found.row, name)) != revision.cells[name]
    }
    if "tags" in cells or _as_exported(found, revision):
        return Edited(found, revision, cells)
    typed = {name: unguarded(cell, "tags") for name, cell in found.categories.items()}
    return Edited(found, revision, {**cells, "tags": together(found.row.tags, typed)}, True)


def _as_exported(found: ReturnedRow, revision: Revision) -> bool:
    """Return whether the columns of categories hold the tags that were exported."""
    return not found.categories or row.digest_of_set(_listed(found)) == revision.tag_set


def _alike(found: ReturnedRow) -> bool:
    """Return whether the columns of categories hold the tags that `tags` holds."""
    return row.digest_of_set(_listed(found)) == row.digest_of_set(found.row.tags)


def _listed(found: ReturnedRow) -> str:
    return ", ".join(cell for cell in found.categories.values() if cell.strip())


def mistakes(one: Edited, key: str, now: Row | None, lossy: bool) -> Iterator[Mistake]:
    """Yield what is wrong with the cells of a row, as message and hint.

    Args:
        one: The row.
        key: Its picture.
        now: What would be exported now; None where the picture is gone.
        lossy: See `mangled.mistakes`.
    """
    yield from _row_mistakes(one)
    for name, cell in one.cells.items():
        for column, text in _typed(one, name).items():
            kind = "tags" if column.endswith(TAGS) else column
            was = _exported(one, name, now) if kind == column else None
            for why, hint in mangled.mistakes(kind, text, was, lossy):
                yield f"{one.found.where}, column `{column}`: {why}", hint
        wrong = _no_value(key, name, cell)
        if wrong:
            yield wrong


def _row_mistakes(one: Edited) -> Iterator[Mistake]:
    where = one.found.where
    for name in sorted(one.found.formulas):
        if name in COLUMNS or name.endswith(TAGS):
            hint = "type it again with a `'` in front"
            yield f"{where}, column `{name}`: a formula stands where text was", hint
    both = "tags" in one.cells and not one.of_categories
    if both and not _as_exported(one.found, one.revision) and not _alike(one.found):
        told = f"{where}: `tags` and the tags of a category were both edited"
        yield told, "undo one of the two"


def _typed(one: Edited, name: str) -> dict[str, str]:
    """Return column -> cell where a person typed what a column says now."""
    if one.of_categories and name == "tags":
        return {category + TAGS: text for category, text in one.found.categories.items()}
    return {name: getattr(one.found.row, name)}


def _exported(one: Edited, name: str, now: Row | None) -> str | None:
    """Return what was exported, where that still holds; a digest is all we have elsewhere."""
    if now is None:
        return None
    text = row.said(name, getattr(now, name))
    return text if row.digest(name, text) == one.revision.cells[name] else None


def _no_value(key: str, name: str, cell: str) -> Mistake | None:
    """Return message and hint for a cell that cannot be what its column holds."""
    if name == "weight" and cell:
        try:
            good = 0 <= float(cell) <= MOST_WEIGHT
        except ValueError:
            good = False
        return None if good else (f"the weight of `{key}` is `{cell}`", _WEIGHTS)
    if name == "keep" and cell not in ("", "yes", "no") and not cell.startswith(PROPOSED):
        return f"`keep` of `{key}` is `{cell}`", "write yes or no"
    return None
