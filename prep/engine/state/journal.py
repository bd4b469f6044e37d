"""The journal: one JSON object a line, only ever appended to. Knows nothing of what is in it.

Each line ends with a checksum of what stands before it. Lines of older versions have none: they
hold as long as no line before them has one.
"""

import json
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from prep.runtime import files
from prep.runtime.errors import MachineError

_SUM = re.compile(rb',"sum":"([0-9a-f]{8})"}\n$')
_CHUNK = 1 << 16


def size(path: Path) -> int:
    """Return the journal's length in bytes; 0 where there is none."""
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0


def append(path: Path, lines: Sequence[str]) -> int:
    """Append lines, durably, and return the new length in bytes.

    A last line that a crash tore is taken away first: what it was to say was never done.

    Raises:
        MachineError: The disk is full, or took only a part.
    """
    with files.disk_errors(path):
        new = not path.exists()
        with path.open("ab+") as file:
            start = _end_of_last_line(file)
            if start < file.seek(0, os.SEEK_END):
                file.truncate(start)
            due = start + sum(map(file.write, map(_summed, lines)))
            file.flush()
            os.fsync(file.fileno())
            length = os.fstat(file.fileno()).st_size
        if new:
            files.flush(path.parent)
    if length != due:
        raise MachineError(f"only a part could be written of `{path}`", "check the disk, run again")
    return length


def packed(lines: Sequence[str]) -> bytes:
    """Return lines, each a JSON object, as they stand in a journal."""
    return b"".join(map(_summed, lines))


def _summed(text: str) -> bytes:
    line = text.encode()
    return b'%b,"sum":"%08x"}\n' % (line[:-1], zlib.crc32(line))


def _end_of_last_line(file: BinaryIO) -> int:
    """Return where the last whole line ends."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - _CHUNK)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def entries(path: Path, start: int = 0, end: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the entries from byte `start` to byte `end`; torn and damaged lines are left out."""
    return (entry for entry in _read(path, start, end) if entry is not None)


def damaged(path: Path) -> int:
    """Return how many lines are damaged; a last one that was torn is no damage."""
    return sum(entry is None for entry in _read(path, 0, None))


def _read(path: Path, start: int, end: int | None) -> Iterator[dict[str, Any] | None]:
    """Yield the entry of each whole line, or None where it is not as it was written."""
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(start)
        summed = False
        for line in file:
            start += len(line)
            if not line.endswith(b"\n") or (end is not None and start > end):
                return
            entry, has_sum = _entry(line)
            yield None if summed and not has_sum else entry
            summed = summed or has_sum


def _entry(line: bytes) -> tuple[dict[str, Any] | None, bool]:
    """Return what a line says, None where it is damaged, and whether it has a checksum."""
    found = _SUM.search(line)
    text = line if found is None else line[: found.start()] + b"}"
    if found is not None and zlib.crc32(text) != int(found[1], 16):
        return None, False
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return None, found is not None
    return (entry if isinstance(entry, dict) else None), found is not None
