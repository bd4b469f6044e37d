"""Texts of read-only pictures: those in prep's own folder lie over those beside the pictures.

Both have one name in the ledger. What is written is written in prep's folder alone.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from prep.engine.inventory import scan
from prep.engine.state import file_stat

if TYPE_CHECKING:
    from prep.engine.inventory.inventory import Inventory
    from prep.engine.state.digest_cache import Digests

_BESIDE = "beside:"  # begins the ledger's name of a text beside a picture that ours was put over


def lay(folder: scan.Folder, views: Path | None, suffixes: tuple[str, ...]) -> None:
    """Put the texts of `views` over those beside the pictures; the disk's names are absolute."""
    if views is None or not views.is_dir():
        return
    _pass_over(folder, views)
    over = scan.scan(views, suffixes)
    folder.scratch |= over.scratch
    folder.linked |= over.linked
    for name, spelled in over.sidecars.items():
        file = file_stat.path_in(views, spelled)
        if name in folder.sidecars:
            folder.covered[name] = folder.sidecars[name]
        folder.sidecars[name] = file
        folder.stats[file] = over.stats[spelled]


def _pass_over(folder: scan.Folder, views: Path) -> None:
    """Forget what was scanned of `views` where they lie in the folder of pictures itself."""
    root = folder.root.absolute()
    if not views.absolute().is_relative_to(root):
        return
    top = views.absolute().relative_to(root).as_posix() + "/"
    for name in [name for name in folder.sidecars if name.startswith(top)]:
        folder.stats.pop(folder.sidecars.pop(name), None)
        folder.unowned.pop(name, None)


def uncover(inventory: "Inventory", digests: "Digests") -> None:
    """Let a text beside a picture count that came after ours, which nobody edited since.

    A run then removes ours.
    """
    folder = inventory.folder
    persons = {edit.file for edit in inventory.edits.values()} if folder.covered else set()
    for name, spelled in folder.covered.items():
        ours = inventory.outputs.get(name)
        edited = ours in persons
        beside = digests.of(file_stat.path_in(folder.root, spelled))
        if (
            inventory.on_disk.get(name) != ours
            or edited
            or beside in (None, known(inventory, name))
        ):
            continue
        inventory.overruled.append(folder.sidecars[name])
        folder.sidecars[name] = spelled
        inventory.on_disk[name] = str(beside)


def known(inventory: "Inventory", name: str) -> str | None:
    """Return the digest of the text beside a picture that ours was put over."""
    return inventory.outputs.get(_BESIDE + name)


def covered_now(inventory: "Inventory", name: str) -> tuple[str, str] | None:
    """Return name and digest for the ledger of a text beside a picture that ours is put over."""
    spelled = inventory.folder.sidecars.get(name)
    there = inventory.on_disk.get(name)
    if (
        inventory.location.views is None
        or spelled is None
        or there is None
        or os.path.isabs(spelled)
    ):
        return None
    return _BESIDE + name, there
