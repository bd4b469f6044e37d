"""What a derived picture takes over from its source: the text that a person wrote for it.

A source may be derived itself: the nearest picture up the line that has a person's text gives it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prep.engine.inventory import overlay, scan
from prep.engine.inventory.inventory import INHERITED, Inventory
from prep.engine.inventory.location import Location
from prep.engine.inventory.written import Written
from prep.engine.state import artifacts, file_stat
from prep.engine.state.database import snapshot
from prep.engine.state.digest_cache import Digests
from prep.engine.state.ledger_queries import Edit
from prep.runtime import text_files
from prep.runtime.errors import DatasetError
from prep.runtime.files import content
from prep.stage import KEY

_DEPTH = 20  # a chain of folders is short; a circle of them would have no end


@dataclass(frozen=True)
class SourceFolder:
    """A folder that pictures were derived from, and what its ledger knows."""

    root: Path
    folder: scan.Folder
    clashing: Mapping[str, str]
    outputs: Mapping[str, str]
    edits: Mapping[tuple[str, str], Edit]
    samples: Mapping[str, tuple[str, str | None]]


def inherit(inventory: Inventory, written: Written, sources: "SourceFolders") -> None:
    """Give each derived picture the text a person wrote for its source, unless it has its own.

    Where the source picture is gone, what was inherited from it before stays.
    """
    root = inventory.location.root.absolute()
    for key, lineage in inventory.lineage.items():
        for suffix, name in inventory.location.sidecars.items():
            own = written.edits.get((key, name))
            if own is not None and own.source != INHERITED and own.proven:
                continue
            there, text = sources.text(root, lineage, suffix, name)
            if own is not None and own.source != INHERITED and not _same(own, text):
                continue
            if text is not None:
                written.edit((key, name), Edit(text, INHERITED))
            elif there:
                written.edit((key, name), None)


def _same(own: Edit, text: str | None) -> bool:
    """Return whether a text that was there before prep knew of it may be what it once took over."""
    return text is not None and text_files.encode(text) == text_files.encode(str(own.value))


class SourceFolders:
    """Folders that pictures were derived from, each read once.

    Args:
        texts: The endings of text files.
    """

    def __init__(self, texts: tuple[str, ...], digests: Digests) -> None:
        self._texts, self._digests = texts, digests
        self._found: dict[str, SourceFolder | None] = {}

    def text(
        self, root: Path, lineage: Mapping[str, Any], suffix: str, name: str
    ) -> tuple[bool, str | None]:
        """Return whether the source picture is there, and the text that a person wrote for it."""
        for _ in range(_DEPTH):
            source = self.of(root, lineage)
            key = lineage[KEY]
            if source is None or key not in source.folder.pictures:
                return False, None
            text = _own(source, key, suffix, name, self._digests)
            told = source.samples.get(key, ("", None))[1]
            if text is not None or not told:
                return True, text
            root, lineage = source.root, artifacts.loaded(told.encode())
        return True, None

    def of(self, root: Path, lineage: Mapping[str, Any]) -> SourceFolder | None:
        """Return the folder that a picture of `root` was derived from; None where it is gone."""
        top = os.path.normpath(root / lineage["root"])
        if top not in self._found:
            state = lineage.get("state", f"{lineage['root']}/.prep")
            self._found[top] = self._read(Path(top), Path(os.path.normpath(root / state)))
        return self._found[top]

    def _read(self, top: Path, state: Path) -> SourceFolder | None:
        try:
            views = Location(top, state, {}).views
            folder = overlay.lay(scan.scan(top, self._texts), views, self._texts)
        except DatasetError:
            return None
        ledger = snapshot(state)
        try:
            clashing = scan.clashes(folder.pictures, max(self._texts, key=len, default=""))
            outputs, edits, samples = ledger.outputs(), ledger.edits(), ledger.samples()
        finally:
            ledger.close()
        return SourceFolder(top, folder, clashing, outputs, edits, samples)


def _own(source: SourceFolder, key: str, suffix: str, name: str, digests: Digests) -> str | None:
    """Return what a person wrote for a field of a source picture itself, or None."""
    name_of_file = scan.stem(key) + suffix
    file = source.folder.sidecars.get(name_of_file)
    wrote = source.outputs.get(name_of_file)
    if file is not None and key not in source.clashing:
        path = file_stat.path_in(source.root, file)
        found = digests.of(path, source.folder.stats[file])
        if found is not None and found != wrote:
            try:
                return text_files.decode(content(Path(path)))
            except (text_files.TextError, DatasetError, OSError):
                return None
    deleted = file is None and wrote is not None
    edit = source.edits.get((key, name))
    return None if edit is None or edit.source == INHERITED or deleted else str(edit.value)
