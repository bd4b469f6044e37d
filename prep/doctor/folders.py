"""The models and folders that pipelines name, and the folders of this user."""

import os
import sqlite3
from collections.abc import Iterator, Sequence, Set
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from prep.doctor.diagnosis import Diagnosis, size
from prep.engine.inventory.location import Location
from prep.engine.inventory.scan import scan
from prep.engine.state import publish
from prep.engine.state.database import damage, open_ledger, set_aside
from prep.engine.state.dataset_lock import held
from prep.models.locate import Models
from prep.pipeline.pipeline import Pipeline
from prep.runtime.counts import counted
from prep.runtime.errors import HeldError, UserError
from prep.runtime.files import SCRATCH, free_bytes, nearest_there

_LITTLE_BYTES = 2_000_000_000
# Locks and SQLite's log want a file system of this machine. Source: sqlite.org/wal.html.
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "sshfs", "fuse.sshfs"})


def of_user(models: Models) -> Iterator[Diagnosis]:
    """Yield where models and pins lie, and whether there is room."""
    from huggingface_hub.constants import HF_HUB_CACHE

    cache = models.hub_cache or Path(HF_HUB_CACHE)
    count = len(list(cache.glob("models--*"))) if cache.is_dir() else 0
    yield Diagnosis("models", f"{count} in {cache}, {_room(cache)}", _no_room(cache))
    yield Diagnosis("pins", f"{models.home}, {_rights(models.home)}", _no_rights(models.home))


def of_pipelines(pipelines: Sequence[Pipeline], models: Models) -> Iterator[Diagnosis]:
    """Yield each model that a pipeline names: whether it is on this machine."""
    asks = {
        (ask.kind, ask.name): ask
        for pipeline in pipelines
        for step in pipeline.steps
        for asked in step.command.requests(step.values)
        if asked.stage.models
        for ask in asked.stage.models(asked.params)
    }
    for (_, name), ask in sorted(asks.items()):
        try:
            found = models.at_hand(ask)
        except UserError as error:
            yield Diagnosis(ask.kind, f"{name}: {error}", error.hint or "")
            continue
        there = f"{size(found.size_bytes())} on this machine" if found else "to be downloaded"
        yield Diagnosis(ask.kind, f"{name}, {there}")


def of_places(places: Sequence[Location]) -> Iterator[Diagnosis]:
    """Yield the health of each dataset: pictures, ledger, room, rights, what dead runs left."""
    for location in places:
        name = str(location.root)
        try:
            folder = scan(location.root, tuple(location.sidecars), location.state)
        except UserError as error:
            yield Diagnosis("folder", str(error), error.hint or "")
            continue
        kind = _file_system(location.state)
        yield Diagnosis(
            "folder",
            f"{name}: {counted(len(folder.pictures) + len(folder.faulty), 'picture')}, "
            f"{counted(len(folder.sidecars), 'text')}, "
            f"{_room(location.state)} on {kind}",
            f"keep prep's folder on a disk of this machine: `--state DIR` (it is on {kind})"
            if kind in _NETWORK
            else _no_room(location.state),
        )
        yield from _state(location, folder.scratch)


def _state(location: Location, scratch: Set[str]) -> Iterator[Diagnosis]:
    state = location.state
    if not state.is_dir():
        yield Diagnosis("prep's folder", f"{state}: not there yet")
        return
    broken = ledger_damage(state / "ledger.sqlite")
    whole = sum(path.stat().st_size for path in state.rglob("*") if path.is_file())
    yield Diagnosis(
        "prep's folder",
        f"{state}: {size(whole)}, {_rights(state)}, {broken or 'ledger sound'}",
        "run any command on the folder, or `prep doctor --fix`: the ledger is made again"
        if broken
        else _no_rights(state),
        partial(_mend_ledger, state) if broken else None,
    )
    left = [path for path in (*map(Path, sorted(scratch)), state) if _scratch_in(path)]
    if left:
        yield Diagnosis(
            "left over",
            f"files of a run that died, in {', '.join(map(str, left))}",
            "the next run, or `prep doctor --fix`, removes those that are its own",
            partial(_sweep, location, left),
        )


def ledger_damage(file: Path) -> str:
    """Return what is wrong with a ledger, in words; empty where it is sound or not there."""
    if not file.exists():
        return ""
    try:
        uri = f"{file.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            found = str(database.execute("PRAGMA quick_check(1)").fetchone()[0])
            found = damage(file.parent) if found == "ok" else found
    except sqlite3.Error as error:
        found = str(error)
    return "" if found in ("", "ok") else f"the ledger is damaged ({found.splitlines()[0]})"


def _mend_ledger(state: Path) -> str:
    try:
        with held(state):
            name = set_aside(state)
            open_ledger(state).close()
    except HeldError as error:
        return f"left alone: {error}"
    return f"it was set aside as {name}, and made again from journal.jsonl"


def _sweep(location: Location, left: Sequence[Path]) -> str:
    try:
        with held(location.state):
            for folder in left:
                publish.sweep_scratch(folder, location.state)
    except HeldError as error:
        return f"left alone: {error}"
    still = sum(_scratch_in(folder) for folder in left)
    return f"removed, but for {still} of other datasets" if still else "removed"


def _scratch_in(folder: Path) -> int:
    with suppress(OSError):
        return sum(entry.name.startswith(SCRATCH) for entry in os.scandir(folder))
    return 0


def _room(path: Path) -> str:
    return f"{size(free_bytes(path))} free"


def _no_room(path: Path) -> str:
    return "free some disk before the next run" if free_bytes(path) < _LITTLE_BYTES else ""


def _rights(path: Path) -> str:
    return "can be written" if os.access(nearest_there(path), os.W_OK) else "cannot be written"


def _no_rights(path: Path) -> str:
    writable = os.access(nearest_there(path), os.W_OK)
    return "" if writable else f"give yourself the right to write into `{nearest_there(path)}`"


def _file_system(path: Path) -> str:
    """Return the kind of file system that a path is on, where the system tells."""
    there = nearest_there(path)
    best, kind = "", "an unknown file system"
    with suppress(OSError):
        for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
            _, mount, found = line.split()[:3]
            if there.is_relative_to(mount) and len(mount) >= len(best):
                best, kind = mount, found
    return kind
