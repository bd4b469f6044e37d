"""The rows of a sheet that somebody edited, and what is wrong with their cells. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prep.sheets import mangled
from prep.sheets.categories import together
from prep.sheets.cells import unguarded
from prep.sheets.mistakes import Mistake
from prep.sheets.row import Revision, Row, digest_of_set
from prep.sheets.table import TAGS, TELLING, ReturnedRow, ReturnedSheet


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
    row = found.row
    names = [name for name in row.cells if row.digest(name) != revision.exported(name)]
    cells = {name: row.said(name) for name in names}
    if "tags" in cells or _as_exported(found, revision):
        return Edited(found, revision, cells)
    typed = {name: unguarded(cell) for name, cell in found.categories.items()}
    return Edited(found, revision, {**cells, "tags": together(row["tags"], typed)}, True)


def _as_exported(found: ReturnedRow, revision: Revision) -> bool:
    """Return whether the columns of categories hold the tags that were exported."""
    return not found.categories or digest_of_set(_listed(found)) == revision.tag_set


def _alike(found: ReturnedRow) -> bool:
    """Return whether the columns of categories hold the tags that `tags` holds."""
    return digest_of_set(_listed(found)) == digest_of_set(found.row["tags"])


def _listed(found: ReturnedRow) -> str:
    return ", ".join(cell for cell in found.categories.values() if cell.strip())


def mistakes(one: Edited, key: str, now: Row | None, sheet: ReturnedSheet) -> Iterator[Mistake]:
    """Yield what is wrong with the cells of a row, as message and hint.

    Args:
        one: The row.
        key: Its picture.
        now: What would be exported now; None where the picture is gone.
        sheet: Whose row it is.
    """
    yield from _row_mistakes(one)
    for name, cell in one.cells.items():
        column = one.found.row.columns[name]
        for header, text in _typed(one, name).items():
            was = _exported(one, name, now) if header == name else None
            wrong = mangled.mistakes(column.kind, text, was, sheet.lossy)
            for why, hint in wrong if not sheet.typed else ():
                yield f"{one.found.where}, column `{header}`: {why}", hint
        if hint := column.hint(cell):
            yield f"`{name}` of `{key}` is `{cell}`", hint


def _row_mistakes(one: Edited) -> Iterator[Mistake]:
    where = one.found.where
    for name in sorted(one.found.formulas):
        if name in (*TELLING, *one.found.row.cells) or name.endswith(TAGS):
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
    return {name: one.found.row[name]}


def _exported(one: Edited, name: str, now: Row | None) -> str | None:
    """Return what was exported, where that still holds; a digest is all we have elsewhere."""
    if now is None or now.digest(name) != one.revision.exported(name):
        return None
    return now.said(name)
