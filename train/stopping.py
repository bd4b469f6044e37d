"""Ctrl-C and SIGTERM while training: the step is finished and saved first."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from prep.runtime.stopping import patience

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether somebody asked to stop.

    Attributes:
        asked: The signal that came, or None.
    """

    def __init__(self) -> None:
        self.asked: int | None = None


@contextmanager
def stops(told: Callable[[], None]) -> Iterator[Stop]:
    """Note the first signal in place of stopping at once; the second one stops at once.

    Args:
        told: Called when the first one comes.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may set a signal's action
        return
    before: dict[int, Any] = {}

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.asked is not None and callable(before[number]):
            before[number](number, frame)
        if stop.asked is None:
            stop.asked = number
            told()

    for number in _SIGNALS:
        before[number] = signal.signal(number, ask)
    try:
        with patience():
            yield stop
    finally:
        for known, action in before.items():
            signal.signal(known, action)
