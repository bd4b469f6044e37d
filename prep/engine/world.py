"""What a dataset is now: the disk, the ledger and what people changed since. Writes nothing."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prep import artifacts, tags
from prep.counts import counted
from prep.engine import moved, overlay, scan
from prep.engine.digests import Digests
from prep.engine.ledger import Edit, Ledger
from prep.engine.place import STATE, Place
from prep.errors import DatasetError
from prep.files import content, digest_bytes
from prep.merge import Verdict, merged

__all__ = ["DROP", "INHERITED", "REMOVED", "STATE", "Known", "Place", "World"]

_FIFTH = 5
INHERITED = "inherited"
_MEND = {"encoding": "save it as UTF-8", "control": "delete that"}  # by the kind of fault
DROP = "meta.drop"  # the field that says: a dataset file lost the entry
# In the lineage of a derived picture that prep itself removed: it did not vanish.
REMOVED = '"removed":true'


@dataclass(frozen=True)
class Known:
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
class World:
    """A dataset as it is now, and what the ledger has yet to learn of it.

    Attributes:
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

    place: Place
    folder: scan.Folder
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
    known: Known = field(default_factory=lambda: Known({}, {}, {}))
    overruled: list[str] = field(default_factory=list)

    def num_pictures(self) -> int:
        """Return how many pictures there are; those that cannot be used count as well.

        A folder that cannot be read counts as one: what lies in it is not known.
        """
        return len(self.digests) + len(self.faulty)

    def drop(self) -> None:
        """Note which samples a person took out: `keep` is no, or a meta file lost the entry."""
        self.dropped = {
            key: f"dropped in {edit.source}"
            for (key, name), edit in self.edits.items()
            if key in self.digests and ((name == "keep" and edit.value == "no") or name == DROP)
        }

    def sidecar(self, key: str, suffix: str) -> str:
        """Return the path, relative to the root, of a sample's sidecar."""
        return scan.stem(key) + suffix

    def sidecar_file(self, key: str, suffix: str) -> str:
        """Return the absolute path of a sample's sidecar to write, as the disk spells it."""
        found = self.folder.sidecars.get(self.sidecar(key, suffix))
        views = self.place.views
        if views is not None and (found is None or not os.path.isabs(found)):
            return scan.path_in(views, self.sidecar(key, suffix))
        return scan.path_in(
            self.folder.root, found or scan.stem(self.folder.pictures[key]) + suffix
        )

    def spelled(self, file: Path) -> str:
        """Return how the scan spells a sidecar that was written: absolute in prep's folder."""
        if self.place.views is not None:
            return os.fspath(file.absolute())
        return os.path.relpath(file, self.folder.root)

    def sidecar_read(self, key: str, suffix: str) -> str:
        """Return the absolute path of a sample's sidecar to read, also beside a picture."""
        found = self.folder.sidecars.get(self.sidecar(key, suffix))
        return scan.path_in(self.folder.root, found or self.sidecar_file(key, suffix))


def read_back(
    place: Place, ledger: Ledger, digests: Digests, *, accept_missing: bool = False
) -> World:
    """Return the dataset as it is now, but for what derived pictures inherit.

    Raises:
        DatasetError: The folder cannot be read, or a fifth of its pictures vanished at once.
    """
    folder = scan.scan(place.root, tuple(place.sidecars), place.state)
    overlay.lay(folder, place.views, tuple(place.sidecars))
    world = World(place, folder, faulty=dict(folder.faulty))
    read_digests(world, digests)
    before, edits, outputs = ledger.samples(), ledger.edits(), ledger.outputs()
    world.faulty |= scan.unreachable(folder, before)
    world.known = Known(before, edits, outputs)
    world.edits, world.outputs = dict(edits), dict(outputs)
    world.clashing = scan.clashes(folder.pictures, max(place.sidecars, key=len, default=""))
    if not folder.pictures and not folder.faulty and not before:
        raise scan.no_pictures(folder)
    _find_renamed(world, before)
    if not accept_missing:
        lost = [key for key in world.gone if REMOVED not in (before[key][1] or "")]
        check_gone(len(lost), len(world.digests) + len(world.faulty), place.root)
    known = {key: lin for key, (_, lin) in before.items() if lin}
    for old, new in world.renamed:
        if old in known:
            lineage = known.pop(old)
            known.setdefault(new, lineage)  # one that was made anew knows its own
    world.lineage = {
        key: artifacts.loaded(lin.encode()) for key, lin in known.items() if key in world.digests
    }
    adopt_intended(place, world.outputs, ledger.intents(), digests)
    overlay.uncover(world, digests)
    _read_sidecars(world)
    world.drop()
    return world


def read_digests(world: World, digests: Digests) -> None:
    """Note the digest of every picture and sidecar that was scanned."""
    folder = world.folder
    found = digests.of_all(folder.root, folder.stats)
    for key, name in folder.pictures.items():
        if name in found:
            world.digests[key] = found[name]
        else:
            world.faulty[key] = "it cannot be read, or changes while it is read"
    world.on_disk = {name: found[at] for name, at in folder.sidecars.items() if at in found}
    folder.stats.clear()  # a million of them would be most of the memory


def _find_renamed(world: World, before: Mapping[str, tuple[str, str | None]]) -> None:
    """Pair keys that vanished with new ones that hold the same bytes; ties in the order of keys."""
    vanished: dict[str, list[str]] = {}
    read = {key for key, (digest, _) in before.items() if digest}
    for key in sorted(read - world.digests.keys() - world.faulty.keys()):
        vanished.setdefault(before[key][0], []).append(key)
    for key in sorted(world.digests.keys() - read):
        old = vanished.get(world.digests[key], [])
        if old:
            world.renamed.append((old.pop(0), key))
    world.gone = sorted(key for keys in vanished.values() for key in keys)
    for old_key, new_key in world.renamed:
        for name in [name for at, name in world.edits if at == old_key]:
            world.edits[new_key, name] = world.edits.pop((old_key, name))
        for suffix in world.place.sidecars:
            _follow(world, world.sidecar(old_key, suffix), world.sidecar(new_key, suffix))


def _follow(world: World, old: str, new: str) -> None:
    """Let a sidecar that was renamed with its picture stay what it was: ours or the person's."""
    if old in world.outputs and old not in world.folder.sidecars:
        moved = world.outputs.pop(old)
        if new in world.folder.sidecars:
            world.outputs[new] = moved


def check_gone(gone: int, left: int, root: Path) -> None:
    """Raise DatasetError where so many pictures vanished that their disk may not be mounted.

    Args:
        gone: Pictures of the last run that are no more, those apart that prep itself removed.
        left: Pictures that are there.
        root: Their folder.
    """
    known = gone + left
    if (gone >= _FIFTH and gone * _FIFTH >= known) or (gone and not left):
        raise DatasetError(
            f"{gone} of {counted(known, 'picture')} in `{root}` vanished at once",
            "is the disk mounted? if you removed them, add `--accept-missing`",
        )


def adopt_intended(
    place: Place, outputs: dict[str, str], intents: Mapping[str, set[str]], digests: Digests
) -> None:
    """Take for ours, into `outputs`, what a run that died had put in place but not yet reported.

    Where a person edited it since, it is what their edits are compared with: our copy of it,
    which is put in place first, tells that it stood there.
    """
    for name, ours in intents.items():
        found = digests.of(os.fspath(place.written(name).absolute()))
        if found in ours:
            outputs[name] = found
        elif found is not None and found != outputs.get(name):
            copied = [sha for sha in ours if place.file(published_copy(sha)).exists()]
            if copied:
                outputs[name] = copied[0]


def published_copy(digest: str) -> str:
    """Return the name of our own copy of what we last published: the base of the next merge."""
    return f"{STATE}published/{digest[:32]}"


def _read_sidecars(world: World) -> None:
    machines: frozenset[str] | None = None
    for suffix, name in world.place.sidecars.items():
        for key in list(world.digests):  # a sidecar that cannot be read takes its picture out
            path = scan.stem(key) + suffix
            if path in world.folder.linked:
                world.faulty[key] = f"`{path}` is {world.folder.linked[path]}"
                del world.digests[key]
                continue
            found, wrote = world.on_disk.get(path), world.outputs.get(path)
            if found is None and path in world.folder.sidecars and key not in world.clashing:
                world.faulty[key] = f"`{path}` cannot be read, or changes while it is read"
                world.digests.pop(key, None)  # it is not absent: what it says is not known
                continue
            if found == wrote or key in world.clashing:
                continue
            machines = moved.machine_texts(world) if machines is None else machines
            if found in machines and moved.is_new(world, key):
                edit = world.edits.get((key, name))
                if edit is not None and edit.file == wrote:  # what stood here before moved on
                    del world.edits[key, name]
                world.outputs[path] = found
            else:
                _merge_sidecar(world, key, name, path)


def _merge_sidecar(world: World, key: str, name: str, path: str) -> None:
    """Let one sidecar say what a person wrote into it, against what we know of it."""
    wrote, found = world.outputs.get(path), world.on_disk.get(path)
    edit = world.edits.get((key, name))
    ours = (edit.file or digest_bytes(tags.encoded(str(edit.value)))) if edit else wrote
    by_person = edit is not None and edit.source != INHERITED
    verdict = merged(wrote, found, ours, by_person).verdict
    if verdict is Verdict.BACK:
        if ours == wrote:  # else what was deleted is not what the edit says
            world.edits.pop((key, name), None)
        del world.outputs[path]
    elif verdict is Verdict.SAME and found is not None:
        world.outputs[path] = found
    elif verdict is Verdict.CONFLICT and edit is not None:
        world.conflicts[key, name] = f"`{path}` and {edit.source} were both edited"
    elif verdict is Verdict.THEIRS and found is not None:
        known = wrote is not None or (edit is not None and by_person and edit.proven)
        _adopt(world, (key, name), path, known)


def _adopt(world: World, at: tuple[str, str], path: str, known: bool) -> None:
    """Take a text for a person's; `known`: prep knew of one there, so this one is an edit."""
    key = at[0]
    found, spelled = world.on_disk[path], world.folder.sidecars[path]
    try:
        text = tags.decoded(content(world.place.root / spelled))
    except (tags.TextError, DatasetError, OSError) as error:
        mend = f"; {_MEND[error.kind]}" if isinstance(error, tags.TextError) else ""
        world.faulty[key] = f"`{path}` cannot be read: {error}{mend}"
        world.digests.pop(key, None)
        return
    named = spelled if spelled.casefold() == path.casefold() else path  # as its person knows it
    world.edits[at] = Edit(text, named, found, known)
    world.outputs[path] = found
