"""What people wrote beside the pictures, told apart from what prep wrote there. Writes nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from prep.dataset.three_way import Verdict, merged
from prep.engine.inventory import overlay, renames, scan
from prep.engine.inventory.inventory import INHERITED, Baseline, Inventory
from prep.engine.inventory.read import intended
from prep.engine.inventory.written import Written
from prep.engine.state.digest_cache import Digests
from prep.engine.state.ledger_queries import Edit
from prep.runtime import text_files
from prep.runtime.errors import DatasetError
from prep.runtime.files import content, digest_bytes

_MEND = {"encoding": "save it as UTF-8", "control": "delete that"}  # by the kind of fault


def read_texts(
    inventory: Inventory,
    written: Written,
    baseline: Baseline,
    intents: Mapping[str, set[str]],
    digests: Digests,
) -> Inventory:
    """Take what people wrote beside the pictures into what is known as written.

    Returns:
        The inventory without the pictures whose texts cannot be read, and with the conflicts.
    """
    outputs = written.outputs
    outputs.update(intended(inventory.location, outputs, intents, digests))
    inventory = overlay.uncover(inventory, written, digests)
    written.beside.update(overlay.beside(inventory))
    refused = _read_sidecars(inventory, written, baseline)
    usable = inventory.digests
    if refused.faulty:
        usable = {key: sha for key, sha in usable.items() if key not in refused.faulty}
    faulty = {**inventory.faulty, **refused.faulty}
    return replace(inventory, digests=usable, faulty=faulty, conflicts=refused.conflicts)


@dataclass(frozen=True)
class _Refused:
    """Texts that are not taken: why, by key, and by key and field where two people differ."""

    faulty: dict[str, str] = field(default_factory=dict)
    conflicts: dict[tuple[str, str], str] = field(default_factory=dict)


def _read_sidecars(inventory: Inventory, written: Written, baseline: Baseline) -> _Refused:
    refused, folder = _Refused(), inventory.folder
    machines: frozenset[str] | None = None
    for (key, name), path in _changed(inventory, written):
        found = written.on_disk.get(path)
        if key in refused.faulty or (key in inventory.clashing and path not in folder.linked):
            continue
        if path in folder.linked:
            refused.faulty[key] = f"`{path}` is {folder.linked[path]}"
        elif found is None and path in folder.sidecars:  # what it says is not known
            refused.faulty[key] = f"`{path}` cannot be read, or changes while it is read"
        else:
            if machines is None:
                machines = renames.machine_texts(inventory, written, baseline)
            if found in machines and renames.is_new(inventory, baseline, key):
                edit = written.edits.get((key, name))
                if edit is not None and edit.file == written.outputs.get(path):  # it moved on
                    written.edit((key, name), None)
                written.outputs[path] = found
            else:
                _merge_sidecar(inventory, written, (key, name), path, refused)
    return refused


def _changed(inventory: Inventory, written: Written) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield key, field and path of each sidecar that is not as we left it."""
    folder, on_disk, outputs = inventory.folder, written.on_disk, written.outputs
    for suffix, name in inventory.location.sidecars.items():
        for key in inventory.digests:
            path = scan.stem(key) + suffix
            found = on_disk.get(path)
            unread = found is None and path in folder.sidecars
            if unread or found != outputs.get(path) or path in folder.linked:
                yield (key, name), path


def _merge_sidecar(
    inventory: Inventory, written: Written, at: tuple[str, str], path: str, refused: _Refused
) -> None:
    """Let one sidecar say what a person wrote into it, against what we know of it."""
    wrote, found = written.outputs.get(path), written.on_disk.get(path)
    edit = written.edits.get(at)
    ours = (edit.file or digest_bytes(text_files.encode(str(edit.value)))) if edit else wrote
    by_person = edit is not None and edit.source != INHERITED
    verdict = merged(wrote, found, ours, by_person).verdict
    if verdict is Verdict.BACK:
        if ours == wrote:  # else what was deleted is not what the edit says
            written.edit(at, None)
        del written.outputs[path]
    elif verdict is Verdict.SAME and found is not None:
        written.outputs[path] = found
    elif verdict is Verdict.CONFLICT and edit is not None:
        refused.conflicts[at] = f"`{path}` and {edit.source} were both edited"
    elif verdict is Verdict.THEIRS and found is not None:
        spelled = inventory.folder.sidecars[path]
        try:
            text = text_files.decode(content(inventory.location.root / spelled))
        except (text_files.TextError, DatasetError, OSError) as error:
            mend = f"; {_MEND[error.kind]}" if isinstance(error, text_files.TextError) else ""
            refused.faulty[at[0]] = f"`{path}` cannot be read: {error}{mend}"
            return
        named = spelled if spelled.casefold() == path.casefold() else path  # as its person knows it
        # Where prep knew of a text there, this one is an edit.
        proven = wrote is not None or (edit is not None and by_person and edit.proven)
        written.edit(at, Edit(text, named, found, proven))
        written.outputs[path] = found
