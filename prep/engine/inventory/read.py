"""What pictures a dataset has now, against what the ledger knew of them. Writes nothing."""

import os
from collections.abc import Mapping
from pathlib import Path

from prep.engine.inventory import overlay, scan
from prep.engine.inventory.declarations import Declarations
from prep.engine.inventory.inventory import REMOVED, Baseline, Inventory, published_copy
from prep.engine.inventory.location import Location
from prep.engine.inventory.written import Written
from prep.engine.state import artifacts
from prep.engine.state.digest_cache import Digests
from prep.engine.state.ledger import Ledger
from prep.runtime.counts import counted
from prep.runtime.errors import DatasetError

_FIFTH = 5


def read_pictures(
    location: Location,
    ledger: Ledger,
    digests: Digests,
    declared: Declarations,
    *,
    accept_missing: bool = False,
) -> tuple[Inventory, Written, Baseline]:
    """Return what pictures there are; texts are not read yet.

    Raises:
        DatasetError: The folder cannot be read, or a fifth of its pictures vanished at once.
    """
    suffixes = tuple(location.sidecars)
    folder = scan.scan(location.root, suffixes, location.state, declared.texts)
    folder = overlay.lay(folder, location.views, suffixes)
    there, faulty, on_disk = read_digests(folder, digests)
    baseline = Baseline(ledger.samples(), ledger.edits(), ledger.outputs())
    before = baseline.samples
    faulty |= scan.unreachable(folder, before)
    if not folder.pictures and not folder.faulty and not before:
        raise scan.no_pictures(folder, declared)
    renamed, gone = _find_renamed(there, faulty, before)
    if not accept_missing:
        lost = [key for key in gone if REMOVED not in (before[key][1] or "")]
        check_gone(len(lost), len(there) + len(faulty), location.root)
    told = {new: before[old][1] for old, new in renamed}  # one made anew knows its own, below
    told |= {key: lineage for key, (_, lineage) in before.items() if lineage}
    inventory = Inventory(
        location,
        folder,
        declared,
        there,
        faulty,
        {key: artifacts.loaded(one.encode()) for key, one in told.items() if one and key in there},
        scan.clashes(folder.pictures, max(location.sidecars, key=len, default="")),
        gone=tuple(gone),
        renamed=tuple(renamed),
    )
    written = Written(dict(baseline.edits), dict(baseline.outputs), on_disk)
    _follow(inventory, written)
    return inventory, written, baseline


def read_digests(
    folder: scan.Folder, digests: Digests
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return the digest of each picture, why others cannot be used, the digest of each sidecar."""
    found = digests.of_all(folder.root, folder.stats)
    pictures = {key: found[name] for key, name in folder.pictures.items() if name in found}
    unread = (key for key in folder.pictures if key not in pictures)
    faulty = dict.fromkeys(unread, "it cannot be read, or changes while it is read")
    for key, name in folder.masks.items():
        if key in pictures and name not in found:  # without its mask it must not train
            del pictures[key]
            faulty[key] = f"its mask `{name}` cannot be read, or changes while it is read"
    on_disk = {name: found[at] for name, at in folder.sidecars.items() if at in found}
    folder.stats.clear()
    return pictures, {**folder.faulty, **faulty}, on_disk


def _find_renamed(
    there: Mapping[str, str],
    faulty: Mapping[str, str],
    before: Mapping[str, tuple[str, str | None]],
) -> tuple[list[tuple[str, str]], list[str]]:
    """Return pairs of keys, old and new, that hold the same bytes, in order; and which are gone."""
    vanished: dict[str, list[str]] = {}
    read = {key for key, (digest, _) in before.items() if digest}
    for key in sorted(read - there.keys() - faulty.keys()):
        vanished.setdefault(before[key][0], []).append(key)
    renamed = []
    for key in sorted(there.keys() - read):
        if old := vanished.get(there[key]):
            renamed.append((old.pop(0), key))
    return renamed, sorted(key for keys in vanished.values() for key in keys)


def _follow(inventory: Inventory, written: Written) -> None:
    """Let edits and sidecars that were renamed with their pictures stay whose they were."""
    sidecars, outputs = inventory.folder.sidecars, written.outputs
    for old, new in inventory.renamed:
        for name in [name for at, name in written.edits if at == old]:
            written.edits[new, name] = written.edits.pop((old, name))
        for suffix in inventory.location.sidecars:
            was, now = inventory.sidecar(old, suffix), inventory.sidecar(new, suffix)
            if was in outputs and was not in sidecars:
                moved = outputs.pop(was)
                if now in sidecars:
                    outputs[now] = moved


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


def intended(
    location: Location,
    outputs: Mapping[str, str],
    intents: Mapping[str, set[str]],
    digests: Digests,
) -> dict[str, str]:
    """Return path -> digest of what a run that died had put in place but not yet reported.

    Where a person edited it since, it is what their edits are compared with: our copy of it,
    which is put in place first, tells that it stood there.
    """
    ours: dict[str, str] = {}
    for name, meant in intents.items():
        found = digests.of(os.fspath(location.written(name).absolute()))
        if found in meant:
            ours[name] = found
        elif found is not None and found != outputs.get(name):
            copied = [sha for sha in meant if location.file(published_copy(sha)).exists()]
            if copied:
                ours[name] = copied[0]
    return ours
