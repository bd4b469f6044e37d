"""What a sheet that came back changes: exported, sheet and disk, three ways. Pure.

Of each cell there are three versions: a digest of what was exported (in the row's revision), what
the sheet says, and what holds now. `prep.merge` is the rule.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from prep.errors import nearest
from prep.merge import Verdict, merged
from prep.sheets import mangled, row
from prep.sheets.categories import together
from prep.sheets.cells import unguarded
from prep.sheets.row import Revision, Row
from prep.sheets.table import AGAIN, Found, Mistake, Sheet

PROPOSED = "duplicate of "

Cells = dict[tuple[str, str], str]
Side = Literal["", "ours", "theirs"]


@dataclass(frozen=True)
class Now:
    """What holds now.

    Attributes:
        rows: Key -> its row as it would be exported.
        pictures: Key -> SHA-256, of every picture of the folder.
        persons: (key, column) -> where the person wrote it whose word holds.
    """

    rows: Mapping[str, Row]
    pictures: Mapping[str, str]
    persons: Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Conflict:
    """An edited cell that a person has to decide about.

    Attributes:
        cell: What the sheet says.
        why: The two sides, as a person reads them.
        lost: There is no picture that could have the words.
    """

    cell: str
    why: str
    lost: bool = False


@dataclass
class Changes:
    """What becomes of a sheet.

    Attributes:
        taken: (key, column) -> the cell to take over.
        conflicts: (key, column) -> why nothing of its row is among what is taken.
        held: The other edited cells of those rows.
        same: How many edited cells say what holds already.
        elsewhere: How many cells changed on the disk only.
        notes: What a person should know.
        mistakes: What makes the sheet one that nothing is taken from.
        foreign: The sheet is of another dataset.
    """

    taken: Cells = field(default_factory=dict)
    conflicts: dict[tuple[str, str], Conflict] = field(default_factory=dict)
    held: Cells = field(default_factory=dict)
    same: int = 0
    elsewhere: int = 0
    notes: list[str] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    foreign: bool = False

    def settle(self, side: Side) -> None:
        """Let one side be right in every conflict, and take the rest of those rows.

        `ours` is what holds here, `theirs` the sheet; words for no picture cannot be taken.
        """
        if not side:
            return
        settled = {at: one for at, one in self.conflicts.items() if side == "ours" or not one.lost}
        self.conflicts = {at: one for at, one in self.conflicts.items() if at not in settled}
        if side == "theirs":
            self.taken |= {at: one.cell for at, one in settled.items()}
        self.taken |= self.held


@dataclass(frozen=True)
class _Edited:
    """A row with edited cells: column -> cell, and where the tags come from."""

    found: Found
    key: str
    revision: Revision
    cells: Mapping[str, str]
    of_categories: bool = False


def changes_of(sheet: Sheet, now: Now) -> Changes:
    """Return what a sheet changes, and what is wrong with it; where anything is, take nothing.

    Of a row with a conflict, nothing is among what is taken.
    """
    changes = Changes()
    marks: dict[str, list[str]] = {}
    for key, digest in now.pictures.items():
        marks.setdefault(row.mark(digest), []).append(key)
    if _foreign(sheet, now, marks):
        changes.foreign = True
        return changes
    edited = []
    for found in sheet.found:
        revision = row.revision(found.row)
        if revision is None:
            changes.mistakes.append((f"{found.where} has no whole `revision`", AGAIN))
            continue
        one = _edits(found, revision, changes)
        owner = _owner(one, now, marks, changes)
        if owner is not None:
            edited.append(_Edited(found, owner, revision, one.cells, one.of_categories))
    _check_owners(edited, changes)
    _check_order(edited, changes)
    for one in edited:
        _check_cells(one, now, sheet.lossy, changes)
        _merge(one, now, changes)
    return changes


def _foreign(sheet: Sheet, now: Now, marks: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a sheet with rows shows no picture of this dataset.

    A sheet without any revision is told by its keys.
    """
    found = [row.revision(one.row) for one in sheet.found]
    if any(found):
        return not any(revision.picture in marks for revision in found if revision)
    return bool(found) and not any(one.row.key in now.pictures for one in sheet.found)


def _edits(found: Found, revision: Revision, changes: Changes) -> _Edited:
    """Return the cells of a row that say something else than was exported."""
    cells = {
        name: row.said(name, getattr(found.row, name))
        for name in row.EDITABLE
        if row.digest(name, getattr(found.row, name)) != revision.cells[name]
    }
    listed = ", ".join(cell for cell in found.categories.values() if cell.strip())
    if not found.categories or row.digest_of_set(listed) == revision.tag_set:
        return _Edited(found, "", revision, cells)
    typed = {name: unguarded(cell, "tags") for name, cell in found.categories.items()}
    if "tags" not in cells:
        together_now = together(found.row.tags, typed)
        return _Edited(found, "", revision, {**cells, "tags": together_now}, of_categories=True)
    if row.digest_of_set(listed) != row.digest_of_set(found.row.tags):
        changes.mistakes.append(
            (
                f"{found.where}: `tags` and the tags of a category were both edited",
                "undo one of the two",
            )
        )
    return _Edited(found, "", revision, cells)


def _owner(
    one: _Edited, now: Now, marks: Mapping[str, Sequence[str]], changes: Changes
) -> str | None:
    """Return the key of the picture that a row is about; None where there is nothing to do."""
    key, where = one.found.row.key, one.found.where
    same = marks.get(one.revision.picture, ())
    if key in same:
        return key
    if key in now.pictures:
        _replaced(one, same, changes)
        return None
    if len(same) == 1:
        if one.cells:
            changes.notes.append(f"`{key}` is `{same[0]}` now: it is the same picture")
        return same[0]
    if same and one.cells:
        changes.mistakes.append((f"{where}: there is no picture `{key}`", nearest(key, same)))
    else:
        _all_conflict(one, "but the picture is gone or cannot be read", changes, lost=True)
    return None


def _replaced(one: _Edited, same: Sequence[str], changes: Changes) -> None:
    """Tell of a row whose picture is another one than when it was exported."""
    key = one.found.row.key
    if same and one.cells:
        changes.mistakes.append(
            (
                f"{one.found.where}: the revision is that of `{same[0]}`, not of `{key}`",
                "was a column sorted alone? undo it, and sort whole rows",
            )
        )
    else:
        _all_conflict(one, "but the picture was replaced since", changes)


def _all_conflict(one: _Edited, why: str, changes: Changes, lost: bool = False) -> None:
    for name, cell in one.cells.items():
        told = Conflict(cell, f"the sheet says `{cell}`, {why}", lost)
        changes.conflicts[one.found.row.key, name] = told


def _check_owners(edited: Sequence[_Edited], changes: Changes) -> None:
    """Find pictures that two rows are about, under different keys."""
    owners: dict[str, _Edited] = {}
    for one in edited:
        other = owners.setdefault(one.key, one)
        if other is not one:
            changes.mistakes.append(
                (f"{one.found.where} and {other.found.where} are both of `{one.key}`", AGAIN)
            )


def _check_order(edited: Sequence[_Edited], changes: Changes) -> None:
    for name in ("tags", "caption"):
        cells = [
            (one.revision.cells[name], row.digest(name, one.cells[name]))
            for one in edited
            if name in one.cells
        ]
        if mangled.sorted_alone(cells):
            changes.mistakes.append(
                (
                    f"{len(cells)} cells of `{name}` only changed places with each other",
                    "was the column sorted alone? undo it, and sort whole rows",
                )
            )


def _check_cells(one: _Edited, now: Now, lossy: bool, changes: Changes) -> None:
    current = now.rows.get(one.key)
    where = one.found.where
    for name in one.found.formulas:
        changes.mistakes.append(
            (
                f"{where}, column `{name}`: a formula stands where text was",
                "type it again with a `'` in front",
            )
        )
    for name, cell in one.cells.items():
        was = None
        if current is not None:
            text = row.said(name, getattr(current, name))
            was = text if row.digest(name, text) == one.revision.cells[name] else None
        typed = {name: getattr(one.found.row, name)}
        if one.of_categories and name == "tags":
            typed = {f"{c} tags": text for c, text in one.found.categories.items()}
            was = None
        for column, text in typed.items():
            kind = "tags" if column.endswith(" tags") else column
            changes.mistakes += [
                (f"{where}, column `{column}`: {why}", hint)
                for why, hint in mangled.mistakes(kind, text, was, lossy)
            ]
        wrong = _no_value(one.key, name, cell)
        changes.mistakes += [wrong] if wrong else []


def _no_value(key: str, name: str, cell: str) -> Mistake | None:
    """Return message and hint for a cell that cannot be what its column holds."""
    if name == "weight" and cell:
        try:
            good = 0 <= float(cell) < math.inf
        except ValueError:
            good = False
        return None if good else (f"the weight of `{key}` is `{cell}`", "write a number, 0 or more")
    if name == "keep" and cell not in ("", "yes", "no") and not cell.startswith(PROPOSED):
        return f"`keep` of `{key}` is `{cell}`", "write yes or no"
    return None


def _merge(one: _Edited, now: Now, changes: Changes) -> None:
    """Take what only the sheet changed; where somebody else did too, list it."""
    current = now.rows.get(one.key)
    if current is None:
        _all_conflict(one, "but the picture is gone or cannot be read", changes, lost=True)
        return
    taken: Cells = {}
    clash: dict[tuple[str, str], Conflict] = {}
    for name in row.EDITABLE:
        base, holds = one.revision.cells[name], getattr(current, name)
        cell, person = one.cells.get(name), now.persons.get((one.key, name))
        theirs = base if cell is None else row.digest(name, cell)
        match merged(base, theirs, row.digest(name, holds), person is not None).verdict:
            case Verdict.CONFLICT:
                why = f"the sheet says `{cell}`, {person} says `{holds}`"
                clash[one.key, name] = Conflict(cell or "", why)
            case Verdict.THEIRS:
                taken[one.key, name] = cell or ""
            case Verdict.SAME:
                changes.same += cell is not None
            case Verdict.OURS | Verdict.BACK:
                changes.elsewhere += 1
    changes.conflicts |= clash
    (changes.held if clash else changes.taken).update(taken)
