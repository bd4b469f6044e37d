"""A stop (Ctrl-C, SIGTERM) is obeyed within seconds, also where the program cannot hear it.

Python acts on a signal between two steps of its own; a library that reads a disk that hangs, or
opens a large model, may take long over one. Whatever is on the disk is whole at any moment, so a
program that was told to stop and has not stopped in time is ended as it is.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

WITHIN_S = 4.0
_LOOK_EVERY_S = 0.1
_STOPS = (signal.SIGINT, signal.SIGTERM)
_patient = 0  # how many blocks of `patience` the program is in; changed by the main thread alone


@contextmanager
def patience() -> Iterator[None]:
    """Let a stop wait for the end of the block: a model is at work that would be lost."""
    global _patient
    _patient += 1
    try:
        yield
    finally:
        _patient -= 1


@contextmanager
def obeyed() -> Iterator[None]:
    """End the process, with 128 + the signal, where a stop is not obeyed in time in the block."""
    if threading.current_thread() is not threading.main_thread() or os.name == "nt":
        yield  # only the main thread hears of signals; Windows has none but Ctrl-C
        return
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    watch = threading.Thread(target=_watch, args=(read_end,), daemon=True, name="stops")
    watch.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(write_end)
        watch.join()
        os.close(read_end)


def _watch(read_end: int) -> None:
    while heard := os.read(read_end, 1):
        if heard[0] in _STOPS and not _left(read_end):
            os._exit(128 + heard[0])


def _left(read_end: int) -> bool:
    """Return whether the block is left in time."""
    os.set_blocking(read_end, False)
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        time.sleep(_LOOK_EVERY_S)
        if _patient:
            end = time.monotonic() + WITHIN_S
        with suppress(BlockingIOError):
            if not os.read(read_end, 64):
                return True
    return False
