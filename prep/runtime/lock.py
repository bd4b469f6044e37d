"""One run at a time on one folder. Knows neither programs nor what the folder is for."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prep.runtime import files
from prep.runtime.errors import HeldError


@contextmanager
def hold(state: Path, named: Path, program: str) -> Iterator[None]:
    """Hold a folder until the end of the block.

    The lock belongs to the process: it is free again when the process ends, however it ends.

    Args:
        state: Where the lock lies; made if it is not there.
        named: What is held, as a person knows it.
        program: `prep` or `train`: what the holder is called.

    Raises:
        HeldError: Another run holds it; the message names that run.
    """
    with files.disk_errors(state):
        state.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not _lock(descriptor):
            raise _holder(state, named)
        record = {
            "pid": os.getpid(),
            "since": time.strftime("%H:%M:%S"),
            "command": " ".join([program, *sys.argv[1:]]),
        }
        with files.disk_errors(state):
            (state / "holder.json").write_text(json.dumps(record), encoding="utf-8")
        try:
            yield
        finally:
            with suppress(OSError):
                (state / "holder.json").unlink()
    finally:
        os.close(descriptor)


def holder(state: Path, named: Path) -> HeldError | None:
    """Return what `hold` would raise now; nothing is made or changed."""
    try:
        descriptor = os.open(state / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # nobody has ever held it, or it cannot be written: then `hold` says so
        return None
    try:
        return None if _lock(descriptor) else _holder(state, named)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _holder(state: Path, named: Path) -> HeldError:
    try:
        record = json.loads((state / "holder.json").read_text(encoding="utf-8"))
        who = f"`{record['command']}` (process {record['pid']}, since {record['since']})"
    except (OSError, ValueError, KeyError):
        who = "another run"
    return HeldError(f"`{named}` is held by {who}", "wait until it is done, or stop it")
