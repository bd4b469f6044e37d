"""What people and prep have written by now: it follows a run, as the inventory does not."""

from dataclasses import dataclass, field

from prep.engine.inventory.location import STATE
from prep.engine.state.ledger_queries import Edit


@dataclass(frozen=True)
class Written:
    """The words of people, and whose the files are.

    Once a dataset was read, nothing but the methods changes what is in here.

    Attributes:
        edits: (key, field) -> what a person wrote, disk included.
        outputs: Path -> digest of what we last wrote there or took over.
        on_disk: Path of a sidecar or dataset file -> digest of what it holds now.
        beside: Sidecars beside read-only pictures that none of ours lies over.
    """

    edits: dict[tuple[str, str], Edit]
    outputs: dict[str, str]
    on_disk: dict[str, str]
    beside: set[str] = field(default_factory=set)

    def wrote(self, name: str, digest: str) -> None:
        """Know a file as ours, with what it holds."""
        self.outputs[name] = digest
        if not name.startswith(STATE):
            self.on_disk[name] = digest
        self.beside.discard(name)

    def removed(self, name: str) -> None:
        """Know that a file of ours is no more."""
        self.outputs.pop(name, None)
        self.on_disk.pop(name, None)

    def edit(self, at: tuple[str, str], edit: Edit | None) -> None:
        """Know what a person wrote for a field of a sample; None: nothing any more."""
        if edit is None:
            self.edits.pop(at, None)
        else:
            self.edits[at] = edit
