"""What a sheet that came back changes: exported, sheet and disk, three ways. Pure.

Of each cell there are three versions: a digest of what was exported (in the row's revision), what
the sheet says, and what holds now. `prep.dataset.three_way` is the rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from prep.dataset.three_way import Verdict, merged
from prep.runtime.errors import nearest
from prep.sheets import columns, row
from prep.sheets.edited import Edited, edited, mistakes
from prep.sheets.row import Row
from prep.sheets.table import AGAIN, Mistake, Sheet

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
    owned: list[tuple[str, Edited]] = []
    for found in sheet.found:
        revision = row.revision(found.row)
        if revision is None:
            changes.mistakes.append((f"{found.where} has no whole `revision`", AGAIN))
            continue
        one = edited(found, revision)
        owner = _owner(one, now, marks, changes)
        if owner is not None:
            owned.append((owner, one))
    _check_owners(owned, changes)
    changes.mistakes += columns.mistakes([one for _, one in owned])
    for key, one in owned:
        changes.mistakes += mistakes(one, key, now.rows.get(key), sheet.lossy)
        _merge(key, one, now, changes)
    return changes


def _foreign(sheet: Sheet, now: Now, marks: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a sheet with rows shows no picture of this dataset.

    A sheet without any revision is told by its keys.
    """
    found = [row.revision(one.row) for one in sheet.found]
    if any(found):
        return not any(revision.picture in marks for revision in found if revision)
    return bool(found) and not any(one.row.key in now.pictures for one in sheet.found)


def _owner(
    one: Edited, now: Now, marks: Mapping[str, Sequence[str]], changes: Changes
) -> str | None:
    """Return the key of the picture that a row is about; None where there is nothing to do."""
    key, where = one.found.row.key, one.found.where
    same = marks.get(one.revision.picture, ())
    if key in same:
        return key
    if key in now.pictures:
        _replaced(one, same, now.rows.get(key), changes)
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


def _replaced(one: Edited, same: Sequence[str], holds: Row | None, changes: Changes) -> None:
    """Tell of a row whose picture is another one than when it was exported.

    What holds already was taken over before: there is nothing to decide.
    """
    key = one.found.row.key
    if same and one.cells:
        told = f"{one.found.where}: the revision is that of `{same[0]}`, not of `{key}`"
        hint = f"sort whole rows; if the picture was renamed, write `{same[0]}` as its key"
        changes.mistakes.append((told, hint))
        return
    settled = [
        name
        for name, cell in one.cells.items()
        if holds is not None and row.said(name, cell) == row.said(name, getattr(holds, name))
    ]
    changes.same += len(settled)
    left = {name: cell for name, cell in one.cells.items() if name not in settled}
    _all_conflict(replace(one, cells=left), "but the picture was replaced since", changes)


def _all_conflict(one: Edited, why: str, changes: Changes, lost: bool = False) -> None:
    for name, cell in one.cells.items():
        told = Conflict(cell, f"the sheet says `{cell}`, {why}", lost)
        changes.conflicts[one.found.row.key, name] = told


def _check_owners(owned: Sequence[tuple[str, Edited]], changes: Changes) -> None:
    """Find pictures that two rows are about, under different keys."""
    first: dict[str, Edited] = {}
    for key, one in owned:
        other = first.setdefault(key, one)
        if other is not one:
            changes.mistakes.append(
                (
                    f"{one.found.where} and {other.found.where} are both of `{key}`",
                    "keep one of them",
                )
            )


def _merge(key: str, one: Edited, now: Now, changes: Changes) -> None:
    """Take what only the sheet changed; where somebody else did too, list it."""
    current = now.rows.get(key)
    if current is None:
        _all_conflict(one, "but the picture is gone or cannot be read", changes, lost=True)
        return
    taken: Cells = {}
    clash: dict[tuple[str, str], Conflict] = {}
    for name in row.EDITABLE:
        base, holds = one.revision.cells[name], getattr(current, name)
        cell, person = one.cells.get(name), now.persons.get((key, name))
        theirs = base if cell is None else row.digest(name, cell)
        match merged(base, theirs, row.digest(name, holds), person is not None).verdict:
            case Verdict.CONFLICT:
                why = f"the sheet says `{cell}`, {person} says `{holds}`"
                clash[key, name] = Conflict(cell or "", why)
            case Verdict.THEIRS:
                taken[key, name] = cell or ""
            case Verdict.SAME:
                changes.same += cell is not None
            case Verdict.OURS | Verdict.BACK:
                changes.elsewhere += 1
    changes.conflicts |= clash
    (changes.held if clash else changes.taken).update(taken)
