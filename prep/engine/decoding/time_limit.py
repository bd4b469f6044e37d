"""A time limit for what another process does: one that is late is killed."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_NEVER = float("inf")


class TimeLimit:
    """Kills a worker that is not done in time, from one thread for all that it is asked.

    Attributes:
        late: It did.
    """

    def __init__(self, kill: Callable[[], None]) -> None:
        self.late = self._ended = False
        self._kill, self._change = kill, threading.Condition()
        self._until = self._wakes = _NEVER
        threading.Thread(target=self._look, daemon=True).start()

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Give the worker so long for the block; once it is left, nothing is killed."""
        with self._change:
            self._until = time.monotonic() + seconds
            if self._until < self._wakes:  # rarely: it looks again when it wakes
                self._change.notify()
        try:
            yield
        finally:
            with self._change:
                self._until = _NEVER

    def end(self) -> None:
        """Watch no longer."""
        with self._change:
            self._ended = True
            self._change.notify()

    def _look(self) -> None:
        with self._change:
            while not self._ended:
                self._wakes = self._until
                left = self._wakes - time.monotonic()
                if left <= 0:
                    self.late = self._ended = True
                    self._kill()
                    return
                self._change.wait(min(left, threading.TIMEOUT_MAX))
