"""The chain of dataset files: X.json, X_bucket.json, X_lat.json, and what a person edited there."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prep import dataset
from prep.dataset import PERSONS, Dataset, Sample
from prep.engine.ledger import Edit
from prep.engine.world import STATE, Digests, World
from prep.errors import DatasetError

_LINKS = ("", "_bucket", "_lat")


def head_of(path: Path) -> Path:
    """Return the first file of the chain that `path` belongs to."""
    for link in _LINKS[1:]:
        if path.stem.endswith(link):
            return path.with_name(path.stem.removesuffix(link) + path.suffix)
    return path


def link_of(head: Path, writes: str) -> Path:
    """Return the file of the chain that a view writes: `meta_bucket` -> X_bucket.json."""
    return head.with_name(head.stem + writes.removeprefix("meta") + head.suffix)


def link_before(writes: str) -> str | None:
    """Return the view that comes before `writes` in the chain; None for the first, and others."""
    links = ["meta" + link for link in _LINKS]
    return links[links.index(writes) - 1] if writes in links[1:] else None


def published_copy(digest: str) -> str:
    """Return the name of our own copy of what we last published: the base of the next merge."""
    return f"{STATE}published/{digest[:32]}"


def read_back(head: Path, world: World, digests: Digests) -> None:
    """Take what a person edited in any file of the chain into the world's edits.

    Raises:
        DatasetError: A file is damaged, or a field was changed that is not a person's.
    """
    fresh: dict[tuple[str, str], Edit] = {}
    for link in _LINKS:
        path = link_of(head, "meta" + link)
        name = world.place.name(path)
        wrote = world.outputs.get(name)
        found = digests.of(str(path.absolute())) if path.exists() else None
        if found is None or wrote is None or found == wrote:
            continue
        base = world.place.file(published_copy(wrote))
        if base.exists():
            before = dataset.parse(base.read_text(encoding="utf-8"), path.name)
            for at, edit in _changes(before, dataset.load(path), path.name).items():
                _add(fresh, at, edit, world)
    world.edits.update(fresh)


def _add(fresh: dict[tuple[str, str], Edit], at: tuple[str, str], edit: Edit, world: World) -> None:
    other = fresh.get(at)
    if other is not None and other.value != edit.value:
        world.conflicts[at] = f"{other.source} and {edit.source} were both edited"
        del fresh[at]
    elif at not in world.conflicts:
        fresh[at] = edit


def _changes(before: Dataset, after: Dataset, name: str) -> dict[tuple[str, str], Edit]:
    """Return (key, field) -> the person's value, for every difference between two files."""
    edits: dict[tuple[str, str], Edit] = {}
    for key, sample in before.samples.items():
        if key not in after.samples:
            edits[key, "meta.drop"] = Edit(True, name)
            continue
        for field, value in _differences(sample, after.samples[key]).items():
            if field not in PERSONS:
                raise DatasetError(
                    f"`{name}`: `{field}` of `{key}` was changed by hand, and prep computes it",
                    f"put it back, or delete `{name}` and run again; "
                    f"yours to change: {', '.join(PERSONS)}",
                )
            edits[key, f"meta.{field}"] = Edit(value, name)
    for key in after.samples.keys() - before.samples.keys():
        raise DatasetError(
            f"`{name}`: `{key}` was added by hand", "put the picture into the folder and run again"
        )
    return edits


def _differences(before: Sample, after: Sample) -> Mapping[str, Any]:
    old, new = asdict(before), asdict(after)
    return {
        field: list(new[field]) if isinstance(new[field], tuple) else new[field]
        for field in old
        if old[field] != new[field]
    }
