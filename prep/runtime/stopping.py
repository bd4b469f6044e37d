"""A stop (Ctrl-C, SIGTERM) is obeyed within seconds, also where the program cannot hear it.

Python acts on a signal between two steps of its own; a library that reads a disk that hangs, or
opens a large model, may take long over one. Whatever is on the disk is whole at any moment, so a
program that was told to stop and has not stopped in time is ended as it is.

A stop that comes while a library is imported waits for the import's end: torch swallows whatever
is raised while it imports numpy, and goes on without it, or crashes.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

WITHIN_S = 4.0
_LOOK_EVERY_S = 0.1
_STOPS = (signal.SIGINT, signal.SIGTERM)

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
_IMPORTING = "<frozen importlib._bootstrap>"
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


class Stop:
    """Whether the program was told to stop.

    Attributes:
        asked: The signal that came, or None.
        waits: Whether it has yet to be raised.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self.waits = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Unwind the program, or wait for the end of an import; called for each signal.

        Raises:
            KeyboardInterrupt: Ctrl-C.
            SystemExit: SIGTERM.
        """
        self.asked = number
        self.waits = os.name != "nt" and _imports(frame)
        if not self.waits:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(TERMINATED)

    def ask_again(self) -> None:
        """Let the main thread hear of a stop that waits."""
        if self.waits and self.asked is not None:
            self.waits = False  # the first word counts; a second one ends a training at once
            signal.pthread_kill(threading.main_thread().ident or 0, self.asked)


def _imports(frame: FrameType | None) -> bool:
    """Return whether a module is being imported there."""
    while frame is not None and frame.f_code.co_filename != _IMPORTING:
        frame = frame.f_back
    return frame is not None


@contextmanager
def obeyed(told: Callable[[int], None] = lambda number: None) -> Iterator[Stop]:
    """Let a stop unwind the block, and end the process, with 128 + the signal, where it does not.

    Args:
        told: Called with the signal when the first one comes.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread hears of signals
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.asked is None:
            told(number)
        stop.ask(number, frame)

    # A program that was started so as to ignore Ctrl-C, as in the background, goes on ignoring it.
    numbers = [n for n in _STOPS if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        with _ended_in_time(stop):
            yield stop
    finally:
        for number, action in before.items():
            signal.signal(number, action)


@contextmanager
def ended_at_once() -> Iterator[None]:
    """End the process at the end of the block where it was stopped.

    Taking large libraries down may take Python many seconds. Nothing is left to be done: what
    the program has open is closed where a stop unwinds it.
    """
    try:
        yield
    except KeyboardInterrupt:  # the program had not begun
        code = INTERRUPTED
    except SystemExit as ended:
        if ended.code not in (INTERRUPTED, TERMINATED):
            raise
        code = int(ended.code)
    else:
        return
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


@contextmanager
def _ended_in_time(stop: Stop) -> Iterator[None]:
    if os.name == "nt":
        yield  # Windows has no signal but Ctrl-C
        return
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    watch = threading.Thread(target=_watch, args=(read_end, stop), daemon=True, name="stops")
    watch.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(write_end)
        watch.join()
        os.close(read_end)


def _watch(read_end: int, stop: Stop) -> None:
    while heard := os.read(read_end, 1):
        if heard[0] in _STOPS and not _left(read_end, stop):
            os._exit(128 + heard[0])


def _left(read_end: int, stop: Stop) -> bool:
    """Return whether the block is left in time."""
    os.set_blocking(read_end, False)
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        time.sleep(_LOOK_EVERY_S)
        stop.ask_again()
        if _patient:
            end = time.monotonic() + WITHIN_S
        with suppress(BlockingIOError):
            if not os.read(read_end, 64):
                return True
    return False
