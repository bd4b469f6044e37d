"""Which files the pictures of `train sample` may replace: its own, and nothing else."""

import os
from collections.abc import Sequence
from pathlib import Path

from prep.runtime.errors import ConfigError, UsageError
from train.samples.picture_text import is_drawn


def check_places(target: Path, folder: Path | None, names: Sequence[str]) -> None:
    """Look at the files that are to be written, before anything is loaded.

    Args:
        target: Of the sheet.
        folder: Of the pictures alone, or None.
        names: Of their files.

    Raises:
        UserError: The sheet's name is none of a PNG file, or something is there that this program
            did not draw.
    """
    if target.suffix.lower() != ".png":
        raise UsageError(
            f"`--out {target}` does not end in `.png`",
            f"a sheet is a PNG picture: name it `{target.name or 'sheet'}.png`",
        )
    _check_free(target, "name another file by `--out`, or move this one away")
    if folder is None:
        return
    if os.path.lexists(folder) and not folder.is_dir():
        raise ConfigError(f"`--each {folder}` is not a folder", "name a folder, there or new")
    for name in names:
        _check_free(folder / name, "name another folder by `--each`, or move this file away")


def _check_free(path: Path, hint: str) -> None:
    if os.path.lexists(path) and not is_drawn(path):
        raise ConfigError(f"`{path}` is there and was not drawn by this program: it is kept", hint)
