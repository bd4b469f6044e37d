"""What a dataset is now: the disk, the ledger and what people changed since. Writes nothing."""

import os
from collections.abc import Mapping
from pathlib import Path

from prep.dataset.three_way import Verdict, merged
from prep.engine.inventory import overlay, renames, scan
from prep.engine.inventory.declarations import Declarations
from prep.engine.inventory.inventory import INHERITED, REMOVED, Baseline, Inventory, published_copy
from prep.engine.inventory.location import Location
from prep.engine.state import artifacts
from prep.engine.state.digest_cache import Digests
from prep.engine.state.ledger import Ledger
from prep.engine.state.ledger_queries import Edit
from prep.runtime import text_files
from prep.runtime.counts import counted
from prep.runtime.errors import DatasetError
from prep.runtime.files import content, digest_bytes

_FIFTH = 5
_MEND = {"encoding": "save it as UTF-8", "control": "delete that"}  # by the kind of fault


def read_back(
    location: Location,
    ledger: Ledger,
    digests: Digests,
    declared: Declarations,
    *,
    accept_missing: bool = False,
) -> Inventory:
    """Return the dataset as it is now, but for what derived pictures inherit.

    Raises:
        DatasetError: The folder cannot be read, or a fifth of its pictures vanished at once.
    """
    suffixes = tuple(location.sidecars)
    folder = scan.scan(location.root, suffixes, location.state, declared.texts)
    overlay.lay(folder, location.views, suffixes)
    inventory = Inventory(location, folder, declared, faulty=dict(folder.faulty))
    read_digests(inventory, digests)
    before, edits, outputs = ledger.samples(), ledger.edits(), ledger.outputs()
    inventory.faulty |= scan.unreachable(folder, before)
    inventory.known = Baseline(before, edits, outputs)
    inventory.edits, inventory.outputs = dict(edits), dict(outputs)
    inventory.clashing = scan.clashes(folder.pictures, max(location.sidecars, key=len, default=""))
    if not folder.pictures and not folder.faulty and not before:
        raise scan.no_pictures(folder, declared)
    _find_renamed(inventory, before)
    if not accept_missing:
        lost = [key for key in inventory.gone if REMOVED not in (before[key][1] or "")]
        check_gone(len(lost), len(inventory.digests) + len(inventory.faulty), location.root)
    known = {key: lin for key, (_, lin) in before.items() if lin}
    for old, new in inventory.renamed:
        if old in known:
            lineage = known.pop(old)
            known.setdefault(new, lineage)  # one that was made anew knows its own
    inventory.lineage = {
        key: artifacts.loaded(lin.encode())
        for key, lin in known.items()
        if key in inventory.digests
    }
    adopt_intended(location, inventory.outputs, ledger.intents(), digests)
    overlay.uncover(inventory, digests)
    _read_sidecars(inventory)
    inventory.drop()
    return inventory


def read_digests(inventory: Inventory, digests: Digests) -> None:
    """Note the digest of every picture and sidecar that was scanned."""
    folder = inventory.folder
    found = digests.of_all(folder.root, folder.stats)
    for key, name in folder.pictures.items():
        if name in found:
            inventory.digests[key] = found[name]
        else:
            inventory.faulty[key] = "it cannot be read, or changes while it is read"
    inventory.on_disk = {name: found[at] for name, at in folder.sidecars.items() if at in found}
    folder.stats.clear()


def _find_renamed(inventory: Inventory, before: Mapping[str, tuple[str, str | None]]) -> None:
    """Pair keys that vanished with new ones that hold the same bytes; ties in the order of keys."""
    vanished: dict[str, list[str]] = {}
    read = {key for key, (digest, _) in before.items() if digest}
    for key in sorted(read - inventory.digests.keys() - inventory.faulty.keys()):
        vanished.setdefault(before[key][0], []).append(key)
    for key in sorted(inventory.digests.keys() - read):
        old = vanished.get(inventory.digests[key], [])
        if old:
            inventory.renamed.append((old.pop(0), key))
    inventory.gone = sorted(key for keys in vanished.values() for key in keys)
    for old_key, new_key in inventory.renamed:
        for name in [name for at, name in inventory.edits if at == old_key]:
            inventory.edits[new_key, name] = inventory.edits.pop((old_key, name))
        for suffix in inventory.location.sidecars:
            _follow(
                inventory, inventory.sidecar(old_key, suffix), inventory.sidecar(new_key, suffix)
            )


def _follow(inventory: Inventory, old: str, new: str) -> None:
    """Let a sidecar that was renamed with its picture stay what it was: ours or the person's."""
    if old in inventory.outputs and old not in inventory.folder.sidecars:
        moved = inventory.outputs.pop(old)
        if new in inventory.folder.sidecars:
            inventory.outputs[new] = moved


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
    location: Location, outputs: dict[str, str], intents: Mapping[str, set[str]], digests: Digests
) -> None:
    """Take for ours, into `outputs`, what a run that died had put in place but not yet reported.

    Where a person edited it since, it is what their edits are compared with: our copy of it,
    which is put in place first, tells that it stood there.
    """
    for name, ours in intents.items():
        found = digests.of(os.fspath(location.written(name).absolute()))
        if found in ours:
            outputs[name] = found
        elif found is not None and found != outputs.get(name):
            copied = [sha for sha in ours if location.file(published_copy(sha)).exists()]
            if copied:
                outputs[name] = copied[0]


def _read_sidecars(inventory: Inventory) -> None:
    machines: frozenset[str] | None = None
    for suffix, name in inventory.location.sidecars.items():
        for key in list(inventory.digests):  # a sidecar that cannot be read takes its picture out
            path = scan.stem(key) + suffix
            if path in inventory.folder.linked:
                inventory.faulty[key] = f"`{path}` is {inventory.folder.linked[path]}"
                del inventory.digests[key]
                continue
            found, wrote = inventory.on_disk.get(path), inventory.outputs.get(path)
            if (
                found is None
                and path in inventory.folder.sidecars
                and key not in inventory.clashing
            ):
                inventory.faulty[key] = f"`{path}` cannot be read, or changes while it is read"
                inventory.digests.pop(key, None)  # it is not absent: what it says is not known
                continue
            if found == wrote or key in inventory.clashing:
                continue
            machines = renames.machine_texts(inventory) if machines is None else machines
            if found in machines and renames.is_new(inventory, key):
                edit = inventory.edits.get((key, name))
                if edit is not None and edit.file == wrote:  # what stood here before moved on
                    del inventory.edits[key, name]
                inventory.outputs[path] = found
            else:
                _merge_sidecar(inventory, key, name, path)


def _merge_sidecar(inventory: Inventory, key: str, name: str, path: str) -> None:
    """Let one sidecar say what a person wrote into it, against what we know of it."""
    wrote, found = inventory.outputs.get(path), inventory.on_disk.get(path)
    edit = inventory.edits.get((key, name))
    ours = (edit.file or digest_bytes(text_files.encode(str(edit.value)))) if edit else wrote
    by_person = edit is not None and edit.source != INHERITED
    verdict = merged(wrote, found, ours, by_person).verdict
    if verdict is Verdict.BACK:
        if ours == wrote:  # else what was deleted is not what the edit says
            inventory.edits.pop((key, name), None)
        del inventory.outputs[path]
    elif verdict is Verdict.SAME and found is not None:
        inventory.outputs[path] = found
    elif verdict is Verdict.CONFLICT and edit is not None:
        inventory.conflicts[key, name] = f"`{path}` and {edit.source} were both edited"
    elif verdict is Verdict.THEIRS and found is not None:
        known = wrote is not None or (edit is not None and by_person and edit.proven)
        _adopt(inventory, (key, name), path, known)


def _adopt(inventory: Inventory, at: tuple[str, str], path: str, known: bool) -> None:
    """Take a text for a person's; `known`: prep knew of one there, so this one is an edit."""
    key = at[0]
    found, spelled = inventory.on_disk[path], inventory.folder.sidecars[path]
    try:
        text = text_files.decode(content(inventory.location.root / spelled))
    except (text_files.TextError, DatasetError, OSError) as error:
        mend = f"; {_MEND[error.kind]}" if isinstance(error, text_files.TextError) else ""
        inventory.faulty[key] = f"`{path}` cannot be read: {error}{mend}"
        inventory.digests.pop(key, None)
        return
    named = spelled if spelled.casefold() == path.casefold() else path  # as its person knows it
    inventory.edits[at] = Edit(text, named, found, known)
    inventory.outputs[path] = found
