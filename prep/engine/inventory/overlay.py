"""Texts of read-only pictures: those in prep's own folder lie over those beside the pictures.

Both have one name in the ledger. What is written is written in prep's folder alone.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from prep.engine.inventory import scan
from prep.engine.inventory.written import Written
from prep.engine.state import file_stat

if TYPE_CHECKING:
    from prep.engine.inventory.inventory import Inventory
    from prep.engine.state.digest_cache import Digests

_BESIDE = "beside:"  # begins the ledger's name of a text beside a picture that ours was put over


def lay(folder: scan.Folder, views: Path | None, suffixes: tuple[str, ...]) -> scan.Folder:
    """Return a folder with the texts of `views` over those beside the pictures.

    The disk's names of these are absolute.
    """
    if views is None or not views.is_dir():
        return folder
    over = scan.scan(views, suffixes)
    folder = _without(folder, views)
    files = {name: file_stat.path_in(views, spelled) for name, spelled in over.sidecars.items()}
    stats = {files[name]: over.stats[spelled] for name, spelled in over.sidecars.items()}
    return replace(
        folder,
        sidecars={**folder.sidecars, **files},
        stats={**folder.stats, **stats},
        scratch=folder.scratch | over.scratch,
        covered={name: folder.sidecars[name] for name in files if name in folder.sidecars},
        linked={**folder.linked, **over.linked},
    )


def _without(folder: scan.Folder, views: Path) -> scan.Folder:
    """Return a folder without what was scanned of `views`, where they lie in it."""
    root = folder.root.absolute()
    if not views.absolute().is_relative_to(root):
        return folder
    top = views.absolute().relative_to(root).as_posix() + "/"
    inside = {name: at for name, at in folder.sidecars.items() if name.startswith(top)}
    spelled = set(inside.values())
    return replace(
        folder,
        sidecars={name: at for name, at in folder.sidecars.items() if name not in inside},
        stats={at: stat for at, stat in folder.stats.items() if at not in spelled},
        unowned={name: what for name, what in folder.unowned.items() if name not in inside},
    )


def uncover(inventory: "Inventory", written: Written, digests: "Digests") -> "Inventory":
    """Let a text beside a picture count that came after ours, which nobody edited since.

    A run then removes ours.
    """
    folder = inventory.folder
    persons = {edit.file for edit in written.edits.values()} if folder.covered else set()
    uncovered: dict[str, str] = {}
    for name, spelled in folder.covered.items():
        ours = written.outputs.get(name)
        known = written.outputs.get(_BESIDE + name)
        beside = digests.of(file_stat.path_in(folder.root, spelled))
        if written.on_disk.get(name) != ours or ours in persons or beside in (None, known):
            continue
        uncovered[name] = spelled
        written.on_disk[name] = str(beside)
    if not uncovered:
        return inventory
    overruled = tuple(folder.sidecars[name] for name in uncovered)
    folder = replace(folder, sidecars={**folder.sidecars, **uncovered})
    return replace(inventory, folder=folder, overruled=overruled)


def beside(inventory: "Inventory") -> set[str]:
    """Return the texts beside read-only pictures that none of ours lies over."""
    if inventory.location.views is None:
        return set()
    sidecars = inventory.folder.sidecars.items()
    return {name for name, spelled in sidecars if not os.path.isabs(spelled)}


def covered_by(written: Written, name: str) -> dict[str, str]:
    """Return what the ledger is told of a text that ours is put over, by its name there."""
    there = written.on_disk.get(name) if name in written.beside else None
    return {} if there is None else {_BESIDE + name: there}
