"""What becomes of a sheet that came back: what is taken, and what somebody has to decide."""

from dataclasses import dataclass, field
from typing import Literal

from prep.sheets.mistakes import Mistakes

Cells = dict[tuple[str, str], str]
Side = Literal["", "ours", "theirs"]

# Edited rows of pictures that are not here, of which is told what they say.
EXAMPLES = 20


@dataclass(frozen=True)
class Conflict:
    """An edited cell that a person has to decide about.

    Attributes:
        cell: What the sheet says.
        why: The two sides, as a person reads them.
        lost: There is no picture that could have the words; `cell` is empty.
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
        lost: How many rows are of no picture. The first ones that were edited are in `conflicts`;
            those that were not are counted behind these only.
        notes: What a person should know.
        mistakes: What makes the sheet one that nothing is taken from.
        foreign: The sheet is of another dataset.
        rows: How many rows it has.
    """

    taken: Cells = field(default_factory=dict)
    conflicts: dict[tuple[str, str], Conflict] = field(default_factory=dict)
    held: Cells = field(default_factory=dict)
    same: int = 0
    elsewhere: int = 0
    lost: int = 0
    notes: list[str] = field(default_factory=list)
    mistakes: Mistakes = field(default_factory=Mistakes)
    foreign: bool = False
    rows: int = field(default=0, compare=False)

    def settle(self, side: Side) -> None:
        """Let one side be right in every conflict, and take the rest of those rows.

        `ours` is what holds here, `theirs` the sheet; words for no picture cannot be taken.
        """
        if not side:
            return
        settled = {at: one for at, one in self.conflicts.items() if side == "ours" or not one.lost}
        self.conflicts = {at: one for at, one in self.conflicts.items() if at not in settled}
        if side == "ours":
            self.lost = 0
        else:
            self.taken |= {at: one.cell for at, one in settled.items()}
        self.taken |= self.held
