"""Where a dataset lies: its folder of pictures, prep's own folder, and who may say so."""

import os
import shlex
from contextlib import suppress
from pathlib import Path

from prep.dataset.dataset_file import Dataset
from prep.engine.inventory.location import Location
from prep.engine.state.database import snapshot
from prep.images.formats import suffixes
from prep.pipeline.pipeline import Pipeline, usual_sidecars
from prep.runtime.errors import DatasetError


def known_location(folder: Path, state: Path | None, pipeline: Pipeline | None) -> Location:
    """Return where a dataset lies whose folder has to be there."""
    check_folder(folder)
    return location_of(folder, state, pipeline)


def location_of(folder: Path, state: Path | None, pipeline: Pipeline | None) -> Location:
    """Return where a dataset lies; the state of a pipeline's first folder may be elsewhere."""
    if state is None and pipeline and pipeline.state and _same(folder, pipeline.images):
        state = pipeline.state
    where = state or folder / ".prep"
    _check_state(where, state is None)
    return Location(folder, where, pipeline.sidecars if pipeline else usual_sidecars())


def location_of_meta(
    meta: Path, found: Dataset, state: Path | None, pipeline: Pipeline | None
) -> Location:
    """Return where the dataset of a dataset file lies.

    Raises:
        DatasetError: There is no such folder; or only the file says that prep's folder is
            elsewhere, and that folder has no record of the file: it came with data.
    """
    root = Path(os.path.normpath(meta.parent / found.root))
    check_folder(root)
    usual = location_of(root, state, pipeline)
    if state is not None or found.state is None:
        return usual
    said = Path(os.path.normpath(meta.parent / found.state))
    location = location_of(root, said, pipeline)
    if _same(said, usual.state) or _knows(location, meta):
        return location
    shown = os.path.relpath(said)
    raise DatasetError(
        f"`{meta}` says that prep keeps its state in `{shown}`, which has no record of this file",
        f"if that is right, say so: `--state {shlex.quote(shown)}`",
    )


def _knows(location: Location, meta: Path) -> bool:
    """Return whether the ledger of a place says that prep wrote a dataset file."""
    ledger = snapshot(location.state)
    try:
        return location.name(meta) in ledger.outputs()
    finally:
        ledger.close()


def _check_state(state: Path, usual: bool) -> None:
    """Refuse a state folder in which something would be written elsewhere, through a link or pipe.

    Args:
        state: The folder, there or not.
        usual: No person named it, so that it may have come with the pictures.
    """
    shown = os.path.relpath(state)
    if usual and state.is_symlink():
        to = os.path.relpath(state.parent / state.readlink())
        raise DatasetError(
            f"`{shown}` is a link, and prep would write where it leads",
            f"remove it, or name the folder: `--state {shlex.quote(to)}`",
        )
    with suppress(OSError), os.scandir(state) as entries:  # it need not be there
        for entry in entries:
            plain = entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
            if not plain:
                what = "a link" if entry.is_symlink() else "a pipe, socket or device"
                raise DatasetError(
                    f"`{shown}{os.sep}{entry.name}` is {what}, and prep would write to it",
                    "remove it, then run the same command again",
                )


def folder_of_sheet(sheet: Path, state: Path | None) -> Path | None:
    """Return the folder of pictures that a sheet lies in; None for one that lies elsewhere.

    Where `--state` says that prep's folder is elsewhere, the pictures beside the sheet decide.
    """
    folder = sheet if sheet.is_dir() else sheet.absolute().parent
    if (folder / ".prep").is_dir():
        return folder
    around = folder.rglob("*") if state is not None else ()
    known = suffixes()
    return folder if any(path.suffix.lower() in known for path in around) else None


def check_folder(folder: Path) -> None:
    """Raise DatasetError where there is no such folder of pictures."""
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "is not there"
        raise DatasetError(
            f"the folder `{folder}` {what}", "name the folder that holds the pictures"
        )


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
