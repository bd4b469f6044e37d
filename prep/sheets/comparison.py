"""What a sheet that came back changes: exported, sheet and disk, three ways. Pure.

Of each cell there are three versions: a digest of what was exported (in the row's revision), what
the sheet says, and what holds now. `prep.dataset.three_way` is the rule.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from sys import getsizeof

from prep.dataset.three_way import Verdict, merged
from prep.runtime.errors import DatasetError, nearest
from prep.sheets import moved_cells
from prep.sheets.changes import EXAMPLES, Cells, Changes, Conflict
from prep.sheets.edited import Edited, edited, mistakes
from prep.sheets.mistakes import Mistake, Mistakes, shortened
from prep.sheets.row import Row, mark, revision
from prep.sheets.table import AGAIN, ReturnedRow, ReturnedSheet

# Bytes that the rows may take which are held until the whole sheet was seen.
_MOST_HELD = 256 << 20


@dataclass(frozen=True)
class Now:
    """What holds now.

    Attributes:
        row: From a key, its row as it would be exported; None where there is none.
        pictures: Key -> SHA-256, of every picture of the folder.
        persons: (key, column) -> where the person wrote it whose word holds.
    """

    row: Callable[[str], Row | None]
    pictures: Mapping[str, str]
    persons: Mapping[tuple[str, str], str]


def changes_of(sheet: ReturnedSheet, now: Now) -> Changes:
    """Return what a sheet changes, and what is wrong with it; where anything is, take nothing.

    Of a row with a conflict, nothing is among what is taken. Rows are looked at one by one: those
    that say what was exported, and those of pictures that are not here, are not held.

    Raises:
        DatasetError: The edited rows are more than is held, or as the rows of the sheet.
    """
    marks: dict[str, list[str]] = {}
    for key, digest in now.pictures.items():
        marks.setdefault(mark(digest), []).append(key)
    taking = _Taking(now, marks, sheet)
    for found in sheet.found:
        taking.take(found)
    return taking.changes()


class _Taking:
    """Takes the rows of one sheet, in their order."""

    def __init__(self, now: Now, marks: Mapping[str, Sequence[str]], sheet: ReturnedSheet) -> None:
        self._now, self._marks, self._sheet = now, marks, sheet
        self._changes = Changes()
        self._of_rows, self._of_cells = Mistakes(), Mistakes()
        self._held: list[Edited] = []
        self._bytes = 0
        self._owners: dict[str, str] = {}  # key -> the row that is about the picture
        self._any_revision = self._any_picture = self._any_key = False

    def take(self, found: ReturnedRow) -> None:
        changes = self._changes
        changes.rows += 1
        exported = revision(found.row)
        self._any_key = self._any_key or found.row.key in self._now.pictures
        if exported is None:
            self._of_rows.add([(f"{found.where} has no whole `revision`", AGAIN)])
            return
        self._any_revision = True
        known = exported.picture in self._marks
        self._any_picture = self._any_picture or known
        if changes.lost >= EXAMPLES and not known and found.row.key not in self._now.pictures:
            changes.lost += 1
            return
        one = edited(found, exported)
        owner = self._owner(one)
        if owner is not None:
            self._take_for(owner, one)
        elif one.cells and found.row.key in self._now.pictures:  # held as conflicts
            self._weigh(one)

    def _take_for(self, owner: str, one: Edited) -> None:
        """Take a row that is about a picture of this dataset."""
        where, key = one.found.where, one.found.row.key
        if owner in self._owners:
            told = f"{where} and {self._owners[owner]} are both of `{owner}`"
            self._of_rows.add([(told, "keep one of them")])
            return
        self._owners[owner] = where
        if one.cells and owner != key:
            self._changes.notes.append(f"`{key}` is `{owner}` now: it is the same picture")
        if one.cells or one.found.categories:  # to be compared with those of the other rows
            self._weigh(one)
            self._held.append(one)
        current = self._now.row(owner)
        self._of_cells.add(mistakes(one, owner, current, self._sheet))
        if current is None:
            self._lose(one)
        else:
            self._merge(owner, one, current)

    def _weigh(self, one: Edited) -> None:
        """Count what is held of a row until the end."""
        row = one.found.row
        cells = (row.cells, one.cells, one.found.categories)
        texts = (row.key, row.revision, *(text for some in cells for text in some.values()))
        self._bytes += sum(map(getsizeof, texts))
        if self._bytes > _MOST_HELD:
            told = f"{one.found.where}: the edited rows up to here take over {_MOST_HELD >> 20} MB"
            raise DatasetError(told, "import the sheet in several parts")

    def changes(self) -> Changes:
        """Return what came of all of them."""
        changes = self._changes
        known = self._any_picture if self._any_revision else self._any_key
        if changes.rows and not known:
            return Changes(foreign=True, rows=changes.rows)
        changes.mistakes.add(self._of_rows.first)
        if not self._sheet.typed:
            changes.mistakes.add(moved_cells.mistakes(self._held))
        changes.mistakes.add(self._of_cells.first)
        changes.mistakes.more += self._of_rows.more + self._of_cells.more
        return changes

    def _owner(self, one: Edited) -> str | None:
        """Return the key of the picture that a row is about; None where there is nothing to do."""
        key, where = one.found.row.key, one.found.where
        same = self._marks.get(one.revision.picture, ())
        if key in same:
            return key
        if key in self._now.pictures:
            self._of_rows.add(self._replaced(one, same))
            return None
        if len(same) == 1:
            return same[0]
        if same and one.cells:
            self._of_rows.add([(f"{where}: there is no picture `{key}`", nearest(key, same))])
        else:
            self._lose(one)
        return None

    def _replaced(self, one: Edited, same: Sequence[str]) -> Iterator[Mistake]:
        """Tell of a row whose picture is another one than when it was exported.

        What holds already was taken over before: there is nothing to decide.
        """
        key = one.found.row.key
        if same and one.cells:
            told = f"{one.found.where}: the revision is that of `{same[0]}`, not of `{key}`"
            hint = f"sort whole rows; if the picture was renamed, write `{same[0]}` as its key"
            yield told, hint
            return
        holds = self._now.row(key)
        for name, cell in one.cells.items():
            if holds is not None and cell == holds.said(name):
                self._changes.same += 1
            else:
                why = f"the sheet says `{shortened(cell)}`, but the picture was replaced since"
                self._changes.conflicts[key, name] = Conflict(cell, why)

    def _lose(self, one: Edited) -> None:
        """List what a row says of no picture; of the many rows of another sheet, only count it."""
        self._changes.lost += bool(one.cells)
        if self._changes.lost > EXAMPLES:
            return
        for name, cell in one.cells.items():
            why = f"the sheet says `{shortened(cell)}`, but the picture is gone or cannot be read"
            at = shortened(one.found.row.key), name
            self._changes.conflicts[at] = Conflict("", why, lost=True)

    def _merge(self, key: str, one: Edited, current: Row) -> None:
        """Take what only the sheet changed; where somebody else did too, list it."""
        taken: Cells = {}
        clash: dict[tuple[str, str], Conflict] = {}
        for name in one.found.row.cells:
            at, base, cell = (key, name), one.revision.exported(name), one.cells.get(name)
            person = self._now.persons.get(at)
            theirs = base if cell is None else current.columns[name].digest(cell)
            match merged(base, theirs, current.digest(name), person is not None).verdict:
                case Verdict.CONFLICT:
                    typed = shortened(cell or "")
                    why = f"the sheet says `{typed}`, {person} says `{shortened(current[name])}`"
                    clash[at] = Conflict(cell or "", why)
                case Verdict.THEIRS:
                    taken[at] = cell or ""
                case Verdict.SAME:
                    self._changes.same += cell is not None
                case Verdict.OURS | Verdict.BACK:
                    self._changes.elsewhere += 1
        self._changes.conflicts |= clash
        (self._changes.held if clash else self._changes.taken).update(taken)
