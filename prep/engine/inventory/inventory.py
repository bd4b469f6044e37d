"""What a dataset is now: its pictures, its texts, and what people changed since the last run."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prep.engine.inventory import other_files, scan
from prep.engine.inventory.declarations import Declarations
from prep.engine.inventory.location import STATE, Location
from prep.engine.state import file_stat
from prep.engine.state.ledger_queries import Edit
from prep.stage import IN_DATASET

INHERITED = "inherited"
DROP = f"{IN_DATASET}drop"  # the field that says: a dataset file lost the entry
# In the lineage of a derived picture that prep itself removed: it did not vanish.
REMOVED = '"removed":true'


@dataclass(frozen=True)
class Baseline:
    """What the ledger knew when the dataset was read.

    Attributes:
        samples: Key -> (digest, lineage as JSON).
        edits: (key, field) -> what a person wrote.
        outputs: Path -> digest of what we last wrote there.
    """

    samples: Mapping[str, tuple[str, str | None]]
    edits: Mapping[tuple[str, str], Edit]
    outputs: Mapping[str, str]


@dataclass
class Inventory:
    """A dataset as it is now, and what the ledger has yet to learn of it.

    Attributes:
        declared: What the stages declare of it.
        digests: Key -> SHA-256 of the picture's file.
        lineage: Key -> where a derived picture comes from.
        edits: (key, field) -> what a person wrote, disk included.
        outputs: Path -> digest of what we last wrote there or took over.
        on_disk: Path of a sidecar -> digest of what it holds now.
        faulty: Key -> why it cannot be a sample.
        dropped: Key -> why a person took it out.
        clashing: Key -> why neither it nor its twin gets a sidecar.
        conflicts: (key, field) -> the two edits by people that differ.
        held: Files that wait for a person's decision and are not written until then.
        gone: Samples of the last run that are no more.
        renamed: (old key, new key).
        known: What the ledger knew before.
        overruled: Files of ours for which texts beside read-only pictures count now.
    """

    location: Location
    folder: scan.Folder
    declared: Declarations
    digests: dict[str, str] = field(default_factory=dict)
    lineage: dict[str, dict[str, Any]] = field(default_factory=dict)
    edits: dict[tuple[str, str], Edit] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    on_disk: dict[str, str] = field(default_factory=dict)
    faulty: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    clashing: dict[str, str] = field(default_factory=dict)
    conflicts: dict[tuple[str, str], str] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    gone: list[str] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    known: Baseline = field(default_factory=lambda: Baseline({}, {}, {}))
    overruled: list[str] = field(default_factory=list)

    def num_pictures(self) -> int:
        """Return how many pictures there are; those that cannot be used count as well.

        A folder that cannot be read counts as one: what lies in it is not known.
        """
        return len(self.digests) + len(self.faulty)

    def unknown_files(self) -> dict[str, str]:
        """Return path -> kind of what is neither a picture, nor a text, nor a file of ours."""
        return other_files.unknown(self.folder.others, self.outputs, self.declared)

    def drop(self) -> None:
        """Note which samples a person took out: in a field, or a dataset file lost the entry."""
        takes_out = self.declared.takes_out
        self.dropped = {
            key: f"dropped in {edit.source}"
            for (key, name), edit in self.edits.items()
            if key in self.digests
            and (name == DROP or (name in takes_out and edit.value == takes_out[name]))
        }

    def sidecar(self, key: str, suffix: str) -> str:
        """Return the path, relative to the root, of a sample's sidecar."""
        return scan.stem(key) + suffix

    def sidecar_file(self, key: str, suffix: str) -> str:
        """Return the absolute path of a sample's sidecar to write, as the disk spells it."""
        found = self.folder.sidecars.get(self.sidecar(key, suffix))
        views = self.location.views
        if views is not None and (found is None or not os.path.isabs(found)):
            return file_stat.path_in(views, self.sidecar(key, suffix))
        return file_stat.path_in(
            self.folder.root, found or scan.stem(self.folder.pictures[key]) + suffix
        )

    def spelled(self, file: Path) -> str:
        """Return how the scan spells a sidecar that was written: absolute in prep's folder."""
        if self.location.views is not None:
            return os.fspath(file.absolute())
        return os.path.relpath(file, self.folder.root)

    def sidecar_read(self, key: str, suffix: str) -> str:
        """Return the absolute path of a sample's sidecar to read, also beside a picture."""
        found = self.folder.sidecars.get(self.sidecar(key, suffix))
        return file_stat.path_in(self.folder.root, found or self.sidecar_file(key, suffix))


def published_copy(digest: str) -> str:
    """Return the name of our own copy of what we last published: the base of the next merge."""
    return f"{STATE}published/{digest[:32]}"
