"""Digests, and the one way to replace a file."""

import errno
import hashlib
import json
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from prep.runtime import keys
from prep.runtime.errors import DatasetError, MachineError

SCRATCH = ".tmp-"
MOST_TEXT = 64 << 20  # bytes of a file that people write by hand
MOST_TABLE = 4 << 30  # bytes of a sheet or dataset file: a few million rows
_BINARY = getattr(os, "O_BINARY", 0)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return digest_of(file)


def digest_of(file: BinaryIO) -> str:
    """Return the SHA-256 of an open file's bytes, from its beginning, in hexadecimal."""
    file.seek(0)
    # Every file that is open can be read into a buffer; its type does not say so.
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def digest_bytes(data: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def content(path: Path, most: int = MOST_TEXT) -> bytes:
    """Return the bytes of a file that a person named or wrote; raises as `readable`."""
    with readable(path, most) as file:
        return file.read()


@contextmanager
def readable(path: Path, most: int) -> Iterator[BinaryIO]:
    """Yield a file that a person named or wrote, open. Never waits for a pipe's other end.

    Raises:
        DatasetError: It is a folder, pipe, socket or device, or has more than `most` bytes.
        OSError: It is not there, or cannot be read.
    """
    check_file(path, path.stat(), most)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    with os.fdopen(descriptor, "rb") as file:
        check_file(path, os.fstat(descriptor), most)
        yield file


def check_file(path: Path, found: os.stat_result, most: int = MOST_TABLE) -> None:
    """Raise DatasetError unless what was found at a path is a file of at most `most` bytes."""
    if stat.S_ISDIR(found.st_mode):
        raise DatasetError(f"`{path}` is a folder", "name a file")
    if not stat.S_ISREG(found.st_mode):
        raise DatasetError(f"`{path}` is a pipe, socket or device", "name a file")
    if found.st_size > most:
        raise DatasetError(
            f"`{path}` has {found.st_size:,} bytes, at most {most:,} are read",
            "is it the file you meant?",
        )


# Made once: `json.dumps` would build one for each of a million values.
_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
)


def canonical(value: Any) -> str:
    """Return JSON that is the same on every machine: sorted keys, no spaces, no NaN."""
    return _CANONICAL.encode(value)


def inside(folder: Path, relative: str) -> Path:
    """Return `folder / relative`; a path that would leave the folder is an error.

    Raises:
        DatasetError: `relative` is absolute, holds `..`, a NUL or a drive, or leads through a
            link out of the folder.
    """
    if not keys.leads_out(relative):
        path = folder / PurePosixPath(relative)
        if path.resolve().is_relative_to(folder.resolve()):
            return path
    raise DatasetError(
        f"`{relative!s}` leads out of `{folder}`", "paths in a dataset stay inside its folder"
    )


@contextmanager
def replacing(path: Path, before: Callable[[Path], None] = lambda _: None) -> Iterator[Path]:
    """Yield a scratch path beside `path`; after a clean exit, make it `path`.

    The scratch file is flushed to the disk, `before(scratch)` is called, then it is renamed and
    the folder is flushed: a reader finds the whole old file or the whole new one, also after a
    power cut. A scratch file keeps the umask's permissions.

    Raises:
        MachineError: The disk is full or the folder cannot be written. Nothing is torn.
    """
    scratch = path.with_name(f"{SCRATCH}{uuid.uuid4().hex}")
    try:
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield scratch
            flush(scratch)
            before(scratch)
            scratch.replace(path)
            flush(path.parent)
    finally:
        with suppress(NotADirectoryError):  # a file stands where its folder belongs
            scratch.unlink(missing_ok=True)


def write(path: Path, data: bytes, before: Callable[[Path], None] = lambda _: None) -> None:
    """Replace `path` by `data`, whole or not at all; a short write is an error."""
    with replacing(path, before) as scratch:
        write_scratch(scratch, data)


def write_scratch(scratch: Path, data: bytes) -> None:
    """Write and flush a file that nobody reads yet, and check its length."""
    write_pieces(scratch, [data])


def write_pieces(scratch: Path, pieces: Iterable[bytes | memoryview]) -> str:
    """Write and flush a file that nobody reads yet; return the SHA-256 of what was to be written.

    Raises:
        MachineError: The disk took only a part.
    """
    state, size = hashlib.sha256(), 0
    with scratch.open("wb") as file:
        for piece in pieces:
            state.update(piece)
            size += len(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
        if os.fstat(file.fileno()).st_size != size:
            raise MachineError(
                f"only a part could be written of `{scratch.parent}/...`",
                "check the disk, run again",
            )
    return state.hexdigest()


def flush(path: Path) -> None:
    """Flush a file, or a folder's list of names, to the disk."""
    if path.is_dir() and os.name == "nt":  # Windows cannot open a folder; NTFS journals names
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(path: Path, state: Path | None = None) -> Iterator[None]:
    """Turn what the operating system says of a write into a UserError that names the file.

    Args:
        path: What is written.
        state: prep's folder, where `path` may lie elsewhere: then another one would not help.
    """
    try:
        yield
    except OSError as error:
        raise disk_error(path, error, state) from error


def disk_error(path: Path, error: OSError, state: Path | None = None) -> MachineError:
    """Return the error for a file that the operating system does not take; see `disk_errors`."""
    if error.errno in (errno.EEXIST, errno.ENOTDIR) and (found := blocked(path, "place")):
        return found
    why = error.strerror or str(error)
    return MachineError(f"`{path}` cannot be written: {why}", _advice(error, path, state))


def _advice(error: OSError, path: Path, state: Path | None) -> str:
    elsewhere = state is not None and not path.absolute().is_relative_to(state.absolute())
    if elsewhere and error.errno in (errno.EROFS, errno.EACCES):
        return "make its folder writable: `--state DIR` moves only what prep keeps for itself"
    advice = {
        errno.ENOSPC: "free some space, then run the same command: it goes on where it stopped",
        errno.EDQUOT: "free some space, then run the same command: it goes on where it stopped",
        errno.EROFS: "the disk is read-only: name another folder with `--state DIR`",
        errno.EEXIST: "a file is in the way: move it, or name another folder with `--state DIR`",
        errno.ENOTDIR: "a file is in the way: move it, or name another folder with `--state DIR`",
        errno.EISDIR: "a folder is in the way: move it, then run the same command again",
        errno.EACCES: "make the folder writable, or name another with `--state DIR`",
    }
    return advice.get(error.errno or 0, "check the disk, then run the same command again")


def blocked(path: Path, other: str) -> MachineError | None:
    """Return the error where a file stands where a folder is needed for a path; else None.

    Args:
        path: A folder to write in, or a file whose folder is needed.
        other: What can be named in its place, as "folder: `--out FOLDER`".
    """
    there = _not_a_folder(path)
    if there is None:
        return None
    it = "it" if there == path else f"`{there}`"
    what = "a broken link" if there.is_symlink() else "a pipe, socket or device"
    what = "a file" if there.is_file() else what
    move = "" if there.is_char_device() else f"move `{there}` away, or "
    return MachineError(
        f"`{path}` cannot be written: {it} is {what}, not a folder", f"{move}name another {other}"
    )


def _not_a_folder(path: Path) -> Path | None:
    """Return the path, or the nearest one above it that exists, unless that is a folder."""
    above = next((at for at in path.parents if at.exists() or at.is_symlink()), None)
    if above is not None and not above.is_dir():
        return above
    there = path.exists() or path.is_symlink()
    return path if there and not path.is_dir() else None


def nearest_there(path: Path) -> Path:
    """Return the path itself, or the nearest folder above it that is there."""
    there = path.absolute()
    while not there.exists():
        there = there.parent
    return there


def free_bytes(path: Path) -> int:
    """Return the free bytes of the disk that a path, there or not yet, is on."""
    return shutil.disk_usage(nearest_there(path)).free
