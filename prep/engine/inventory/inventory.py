"""What a dataset was when it was read: its pictures, and what cannot be used of them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prep.dataset.sample_fields import LOST_ENTRY
from prep.engine.inventory import scan
from prep.engine.inventory.declarations import Declarations
from prep.engine.inventory.location import STATE, Location
from prep.engine.state import file_stat
from prep.engine.state.ledger_queries import Edit
from prep.stage import IN_DATASET

INHERITED = "inherited"
DROP = f"{IN_DATASET}{LOST_ENTRY}"  # the field that says: a dataset file lost the entry
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


@dataclass(frozen=True)
class Inventory:
    """A dataset as it was read. What was written of it, and is written since, is in `Written`.

    Attributes:
        declared: What the stages declare of it.
        digests: Key -> SHA-256 of the picture's file.
        lineage: Key -> where a derived picture comes from.
        faulty: Key -> why it cannot be a sample.
        clashing: Key -> why neither it nor its twin gets a sidecar.
        conflicts: (key, field) -> the two edits by people that differ.
        held: Files that wait for a person's decision and are not written until then.
        gone: Samples of the last run that are no more.
        renamed: (old key, new key).
        overruled: Files of ours for which texts beside read-only pictures count now.
    """

    location: Location
    folder: scan.Folder
    declared: Declarations
    digests: Mapping[str, str]
    faulty: Mapping[str, str]
    lineage: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    clashing: Mapping[str, str] = field(default_factory=dict)
    conflicts: Mapping[tuple[str, str], str] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    gone: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    overruled: tuple[str, ...] = ()

    def num_pictures(self) -> int:
        """Return how many pictures there are; those that cannot be used count as well.

        A folder that cannot be read counts as one: what lies in it is not known.
        """
        return len(self.digests) + len(self.faulty)

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


def published_copy(digest: str) -> str:
    """Return the name of our own copy of what we last published: the base of the next merge."""
    return f"{STATE}published/{digest[:32]}"
