"""Files of ours that the ledger does not know: they tell that there was a memory, and it is lost.

A dataset file is known by its root, a sheet by the pictures in its revisions.
"""

import os
from collections.abc import Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from prep.dataset import dataset_file
from prep.dataset.dataset_file import Dataset
from prep.dataset.file_names import LINKS, link_of
from prep.engine.inventory.inventory import Inventory
from prep.runtime.errors import DatasetError, UserError
from prep.runtime.files import MOST_TABLE, readable

if TYPE_CHECKING:
    from prep.sheets.row import Revision
    from prep.sheets.table import ReturnedRow

    SheetRow = tuple[str, ReturnedRow, Revision]


def any_of(head: Path | None, inventory: Inventory, outputs: Container[str]) -> bool:
    """Return whether there is a dataset file or sheet of this folder that the ledger has lost."""
    if head is not None and metas(head, inventory, outputs):
        return True
    return _any_sheet(inventory, outputs)


def check_ledger(
    head: Path | None, inventory: Inventory, samples: Mapping[str, tuple[str, str | None]]
) -> None:
    """Refuse a ledger of other pictures: prep's folder was copied here from another one.

    It knows none of the pictures that are here, and a file of ours that it did not write does.

    Raises:
        DatasetError: With what to do about it.
    """
    here = set(inventory.digests.values())
    known = {digest for digest, _ in samples.values() if digest}
    if not known or known & here:
        return
    found = metas(head, inventory, ()).values() if head is not None else ()
    ours = (sample.digest in here for one in found for sample in one.samples.values())
    if any(ours) or _any_sheet(inventory, ()):
        shown = os.path.relpath(inventory.location.state)
        raise DatasetError(
            f"`{shown}` is prep's memory of other pictures: it knows none of those in"
            f" `{os.path.relpath(inventory.location.root)}`",
            f"move `{shown}` away, then run the same command again",
        )


def _any_sheet(inventory: Inventory, outputs: Container[str]) -> bool:
    location = inventory.location
    sheets = (location.sheet(stage.writes) for stage in inventory.declared.sheets)
    return any(location.name(at) not in outputs and sheet_rows(at, inventory) for at in sheets)


def metas(head: Path, inventory: Inventory, outputs: Container[str]) -> dict[Path, Dataset]:
    """Return the files of a chain that are of this folder and not among those of the ledger."""
    found = {}
    for path in (link_of(head, link) for link in LINKS):
        if inventory.location.name(path) in outputs or not path.exists():
            continue
        try:
            one = dataset_file.load(path)
        except UserError:  # whoever writes the file tells what is wrong with it
            continue
        if _same(path.absolute().parent / one.root, inventory.location.root):
            found[path] = one
    return found


def sheet_rows(path: Path, inventory: Inventory) -> "list[SheetRow]":
    """Return the rows of a sheet; none where it is not prep's.

    Those of pictures that are not in this folder are left out.
    """
    from prep.sheets import reading, row

    if not path.exists():
        return []
    marks = {
        row.mark(digest): key for key, digest in sorted(inventory.digests.items(), reverse=True)
    }
    rows: dict[str, SheetRow] = {}
    try:
        with readable(path, MOST_TABLE) as file:
            for one in reading.parse(file, path.name, inventory.declared.columns).found:
                revision = row.revision(one.row)
                if revision is None:
                    return []
                key = one.row.key
                if row.mark(inventory.digests.get(key, "")) != revision.picture:
                    key = marks.get(revision.picture, "")
                if key:
                    rows.setdefault(key, (key, one, revision))
    except (UserError, OSError):
        return []
    return list(rows.values())


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
