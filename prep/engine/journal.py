"""The journal: one JSON object a line, only ever appended to. Knows nothing of what is in it."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from prep import files
from prep.errors import MachineError


def size(path: Path) -> int:
    """Return the journal's length in bytes; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def append(path: Path, lines: Sequence[str]) -> int:
    """Append lines, durably, and return the new length in bytes.

    A last line that a crash tore is ended first, so that it spoils no other.

    Raises:
        MachineError: The disk is full, or took only a part.
    """
    with files.disk_errors(path):
        new = not path.exists()
        with path.open("ab+") as file:
            start = file.seek(0, os.SEEK_END)
            if start:
                file.seek(start - 1)
            torn = start > 0 and file.read(1) != b"\n"
            data = (b"\n" if torn else b"") + "".join(line + "\n" for line in lines).encode()
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            length = os.fstat(file.fileno()).st_size
        if new:
            files.flush(path.parent)
    if length != start + len(data):
        raise MachineError(f"the disk took only a part of `{path}`", "check the disk, run again")
    return length


def entries(path: Path, start: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the entries from byte `start` on; torn and damaged lines are left out."""
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry
