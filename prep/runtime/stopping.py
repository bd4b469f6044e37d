"""A stop (Ctrl-C, SIGTERM) is obeyed within seconds, also where the program cannot hear it.

Python acts on a signal between two steps of its own; a library that reads a disk that hangs, or
opens a large model, may take long over one. Whatever is on the disk is whole at any moment, so a
program that was told to stop and has not stopped in time is ended as it is. Only where a model is
at work that would be lost, a stop waits: see `patience`.

A stop that comes while a library is imported waits for the import's end: torch swallows whatever
is raised while it imports numpy, and goes on without it, or crashes.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import FrameType
from typing import NoReturn

WITHIN_S = 4.0
_LOOK_EVERY_S = 0.1
_STOPS = (signal.SIGINT, signal.SIGTERM)

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
_IMPORTING = "<frozen importlib._bootstrap>"

Told = Callable[[int], object]


class Stop:
    """Whether the program was told to stop.

    Attributes:
        asked: The signal that came first, or None.
        waits: Whether it has yet to be raised.
        raised: Whether it was.
        patient: What is told of a signal in each block of `patience` that the program is in.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self.waits = self.raised = False
        self.patient: list[Told] = []

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Unwind the program, or wait; called for each signal.

        A second Ctrl-C waits for no work. A second SIGTERM is ignored: it goes to all of a
        group, and those who pass it on send it again.

        Raises:
            KeyboardInterrupt: Ctrl-C.
            SystemExit: SIGTERM.
        """
        first, self.asked = self.asked is None, self.asked or number
        if number == self.asked == signal.SIGTERM and (self.waits or self.raised):
            return
        if self.patient and (first or number != self.asked):
            self.patient[-1](number)
        self.waits = (first and bool(self.patient)) or (os.name != "nt" and _imports(frame))
        if not self.waits:
            self._unwind(number)

    def ask_again(self) -> None:
        """Let the main thread hear of a stop that waits for an import."""
        if self.waits and self.asked is not None and not self.patient:
            self.waits = False
            signal.pthread_kill(threading.main_thread().ident or 0, self.asked)

    def leave(self) -> NoReturn:
        """Unwind the program: all that a stop waited for is done.

        Raises:
            KeyboardInterrupt: Ctrl-C.
            SystemExit: SIGTERM, or another process was stopped that this one works with.
        """
        self.asked = self.asked or signal.SIGTERM
        self._unwind(self.asked)

    @contextmanager
    def impatience(self) -> Iterator[None]:
        """Let a stop unwind the block, though it is within one of `patience`."""
        if self.waits:
            self.leave()
        patient, self.patient = self.patient, []
        try:
            yield
        finally:
            self.patient = patient

    def _unwind(self, number: int) -> NoReturn:
        self.waits, self.raised = False, True
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(TERMINATED)


def _imports(frame: FrameType | None) -> bool:
    """Return whether a module is being imported there."""
    while frame is not None and frame.f_code.co_filename != _IMPORTING:
        frame = frame.f_back
    return frame is not None


@contextmanager
def patience(told: Told = lambda number: None) -> Iterator[Stop]:
    """Let a stop wait for the end of the block: work is in hand that would be lost.

    Args:
        told: Called with the signal when the first one comes.
    """
    # The system's own table says what a signal does in this process.
    actions = [getattr(signal.getsignal(number), "__self__", None) for number in _STOPS]
    found = next((one for one in actions if isinstance(one, Stop)), None)
    with nullcontext(found) if found else obey() as stop:
        stop.patient.append(told)
        try:
            yield stop
        finally:
            due = stop.waits and len(stop.patient) == 1
            stop.waits = stop.waits and not due
            stop.patient.pop()
        if due:  # an error comes first
            stop.leave()


@contextmanager
def obey() -> Iterator[Stop]:
    """Let a stop unwind the block, and end the process with 128 + the signal where it does not."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread hears of signals
        return
    # A program that was started so as to ignore Ctrl-C, as in the background, goes on ignoring it.
    numbers = [n for n in _STOPS if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop.ask) for number in numbers}
    try:
        with _end_in_time(stop):
            yield stop
    finally:
        for number, action in before.items():
            signal.signal(number, action)


@contextmanager
def end_at_once() -> Iterator[None]:
    """End the process at the end of the block where it was stopped.

    Taking large libraries down may take Python many seconds. Nothing is left to be done: what
    the program has open is closed where a stop unwinds it.
    """
    try:
        yield
    except KeyboardInterrupt:  # the program had not started
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
def _end_in_time(stop: Stop) -> Iterator[None]:
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
        if stop.patient:
            end = time.monotonic() + WITHIN_S
        with suppress(BlockingIOError):
            if not os.read(read_end, 64):
                return True
    return False
