"""What a person edited in the dataset files of a chain."""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from prep.dataset import dataset_file
from prep.dataset.dataset_file import Dataset, Sample
from prep.dataset.file_names import LINKS, link_of
from prep.dataset.sample_fields import PERSONS
from prep.engine.inventory.inventory import DROP, Inventory, published_copy
from prep.engine.inventory.written import Written
from prep.engine.state.digest_cache import Digests, of_file
from prep.engine.state.ledger_queries import Edit
from prep.runtime.errors import DatasetError
from prep.stage import IN_DATASET


def read_back(head: Path, inventory: Inventory, written: Written, digests: Digests) -> Inventory:
    """Take what a person edited in any file of the chain into what is known as written.

    Where two files were edited differently, nothing of that field is taken, and no file of the
    chain is written until they agree.

    Returns:
        The inventory, with these conflicts.

    Raises:
        DatasetError: A file is damaged, or a field was changed that is not a person's.
    """
    fresh: dict[tuple[str, str], Edit] = {}
    clashing: dict[tuple[str, str], str] = {}
    paths = [link_of(head, link) for link in LINKS]
    for path in paths:
        for at, edit in _edits(path, inventory, written, digests).items():
            other = fresh.setdefault(at, edit)
            if other.value != edit.value:
                clashing[at] = (
                    f"{other.source} and {edit.source} were both edited: let them say the same"
                )
    written.edits.update({at: edit for at, edit in fresh.items() if at not in clashing})
    if not clashing:
        return inventory
    held = frozenset(inventory.location.name(path) for path in paths)
    return replace(inventory, conflicts={**inventory.conflicts, **clashing}, held=held)


def _edits(
    path: Path, inventory: Inventory, written: Written, digests: Digests
) -> dict[tuple[str, str], Edit]:
    """Return what a person changed in one file since we wrote it, under the names of today."""
    name = inventory.location.name(path)
    wrote = written.outputs.get(name)
    found = of_file(path, digests)
    if found is not None:
        written.on_disk[name] = found
    if found is None or wrote is None or found == wrote:
        return {}
    base = inventory.location.file(published_copy(wrote))
    if digests.of(str(base.absolute())) != wrote:
        raise DatasetError(
            f"`{path.name}` was edited, and prep's own copy of it is gone",
            "move it away and run again, then edit the new one",
        )
    before = dataset_file.parse(base.read_text(encoding="utf-8"), path.name)
    after = dataset_file.load(path)
    _check_added(before, after, path.name, written)
    edits = _changes(before, after, path.name)
    today = dict(inventory.renamed)
    known = inventory.digests.keys() | inventory.faulty.keys()
    named = {(today.get(key, key), field): edit for (key, field), edit in edits.items()}
    return {at: edit for at, edit in named.items() if at[0] in known}


def _check_added(before: Dataset, after: Dataset, name: str, written: Written) -> None:
    for key in sorted(after.samples.keys() - before.samples.keys()):
        if (key, DROP) in written.edits:
            raise DatasetError(
                f"`{name}`: `{key}` is back, and was dropped before",
                f"take it out again, then `prep reset {key}` brings it back",
            )
        raise DatasetError(
            f"`{name}`: `{key}` was added by hand", "put the picture into the folder and run again"
        )


def _changes(before: Dataset, after: Dataset, name: str) -> dict[tuple[str, str], Edit]:
    """Return (key, field) -> the person's value, for every difference between two files."""
    edits: dict[tuple[str, str], Edit] = {}
    for item in fields(Dataset):
        if item.name != "samples" and getattr(before, item.name) != getattr(after, item.name):
            raise _not_yours(f"`{name}`: `{item.name}`", name)
    for key, sample in before.samples.items():
        if key not in after.samples:
            edits[key, DROP] = Edit(True, name)
            continue
        for field, value in _differences(sample, after.samples[key]).items():
            if field not in PERSONS:
                raise _not_yours(f"`{name}`: `{field}` of `{key}`", name)
            edits[key, f"{IN_DATASET}{field}"] = Edit(value, name)
    return edits


def _not_yours(what: str, name: str) -> DatasetError:
    return DatasetError(
        f"{what} was changed by hand, and prep computes it",
        f"put it back, or delete `{name}` and run again; yours to change: {', '.join(PERSONS)}",
    )


def _differences(before: Sample, after: Sample) -> Mapping[str, Any]:
    old, new = asdict(before), asdict(after)
    return {
        field: list(new[field]) if isinstance(new[field], tuple) else new[field]
        for field in old
        if old[field] != new[field]
    }
