"""Where a dataset lies: its pictures, prep's folder for it, and what is written where."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STATE = "state:"  # begins the ledger's name of a file in prep's folder


@dataclass(frozen=True)
class Location:
    """Where a dataset lies.

    Attributes:
        root: Folder of the pictures.
        state: prep's folder for it.
        sidecars: Suffix of a text file beside a picture -> the field it holds.
    """

    root: Path
    state: Path
    sidecars: Mapping[str, str]

    def file(self, name: str) -> Path:
        """Return the file that the ledger knows by `name`."""
        if name.startswith(STATE):
            return self.state / name.removeprefix(STATE)
        return Path(os.path.normpath(self.root.absolute() / name))

    @property
    def views(self) -> Path | None:
        """The folder of sidecars and sheets; None where they lie beside the pictures.

        With prep's folder elsewhere, nothing is written beside pictures: they may be read-only.
        """
        beside = os.path.abspath(self.root / ".prep") == os.path.abspath(self.state)
        return None if beside else self.state / "views"

    def suffix_of(self, field: str) -> str:
        """Return the ending of the texts that hold a field; empty where none do."""
        return next((suffix for suffix, name in self.sidecars.items() if name == field), "")

    def sheet(self, name: str) -> Path:
        """Return where a sheet of this name lies."""
        return (self.views or self.root) / name

    def written(self, name: str) -> Path:
        """Return the file that prep writes under `name`: of a sidecar, perhaps not the one read."""
        text = os.path.splitext(name)[1] in self.sidecars and not name.startswith("../")
        return self.views / name if self.views is not None and text else self.file(name)

    def name(self, file: Path) -> str:
        """Return the name by which the ledger knows a file: relative where it can be.

        A dataset that moves together with its dataset files is then still the same.
        """
        path, root = file.absolute(), self.root.absolute()
        if path.is_relative_to(self.state.absolute()):
            return STATE + path.relative_to(self.state.absolute()).as_posix()
        if path.anchor != root.anchor:
            return path.as_posix()
        return Path(os.path.relpath(path, root)).as_posix()
