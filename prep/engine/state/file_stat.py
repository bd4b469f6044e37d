"""What identifies the content of a file cheaply, and its digest where that is not enough."""

import hashlib
import os
import stat
import time
from pathlib import Path
from typing import NamedTuple

_RACY_NS = 2_000_000_000


class Stat(NamedTuple):
    """What tells cheaply that a file is still the one whose digest we know."""

    size: int
    mtime: int
    ctime: int
    ino: int


def path_in(root: Path, name: str) -> str:
    """Return the absolute path of a file that `scan` found in `root`."""
    return os.path.join(os.path.abspath(root), name)


def digest_now(path: str) -> tuple[Stat, str] | None:
    """Return a file's stat and SHA-256, of one moment; None if it changes while it is read."""
    for _ in range(3):
        with open(path, "rb", opener=_without_waiting) as file:
            before = os.fstat(file.fileno())
            sha = hashlib.file_digest(file, "sha256").hexdigest()
            after = os.fstat(file.fileno())
        if _of(before) == _of(after):
            return _of(after), sha
    return None


def clock(state: Path) -> int:
    """Return the file system's own time in ns, read from a file we make in the state folder."""
    probe = state / "clock"
    try:
        probe.write_bytes(b"")
        return probe.stat().st_mtime_ns
    except OSError:
        return time.time_ns()


def racy(of: Stat, now: int) -> bool:
    """Return whether a file is so new that a change in the same tick would go unseen."""
    return max(of.mtime, of.ctime) >= now - _RACY_NS


def stat_of(path: str) -> Stat | None:
    """Return what identifies a file's content cheaply, or None where there is no such file."""
    try:
        return _of(os.stat(path, follow_symlinks=False))
    except OSError:
        return None


def _stat(entry: "os.DirEntry[str]") -> Stat:
    return _of(entry.stat(follow_symlinks=False))


def _of(found: os.stat_result) -> Stat:
    return Stat(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _without_waiting(path: str, flags: int) -> int:
    """Open without blocking on what is not a regular file."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file")
    return descriptor
