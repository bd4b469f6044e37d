"""How much memory decoding processes and their results may take together: counted in bytes.

Knows no process and no picture. The numbers are resident bytes, as the system counts them.
"""

import threading
from collections.abc import Callable
from typing import Any

_MIB = 1 << 20
TREE_BYTES = 1024 * _MIB  # of the whole process tree, without a model
PARENT_BYTES = 100 * _MIB
WORKER_BYTES = 32 * _MIB  # a decoding process without a picture
SMALL_BYTES = 16 * _MIB  # a picture that takes no more needs no leave
RESULT_BYTES = 7  # a pixel of a result that waits: as it came, and in the image made of it
KEPT_BYTES = 64 * _MIB  # freed pixels that stay with a process, for its next picture
# What one picture may take, alone with one decoding process.
MOST_BYTES = TREE_BYTES - PARENT_BYTES - WORKER_BYTES - SMALL_BYTES
# So many processes take half of all without any picture.
MOST_WORKERS = TREE_BYTES // 2 // (WORKER_BYTES + SMALL_BYTES)
_LOOK_EVERY_S = 0.5


class ClosedError(Exception):
    """The pool was left while a picture waited; nobody reads the result."""


class Memory:
    """What is taken by processes, and by pictures from their decoding until they are used.

    Pictures get their leave in the order in which they were asked for, which is that in which
    their results are used: none waits for the room of one that comes after it.
    """

    def __init__(self, total: int = TREE_BYTES - PARENT_BYTES) -> None:
        self._total = total
        self._processes: dict[Any, int] = {}
        self._pictures: dict[Any, int] = {}
        self._change = threading.Condition()
        self._count = self._turn = 0
        self._passed: set[int] = set()
        self._closed = False

    def close(self) -> None:
        """Let all who wait raise ClosedError."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def number(self) -> int:
        """Return the next picture's place in the order."""
        self._count += 1
        return self._count - 1

    def wait_for_turn(self, number: int) -> None:
        """Return when each picture before this one has its leave, or wants none any more."""
        with self._change:
            while self._turn < number:
                self._wait()

    def pass_turn(self, number: int) -> None:
        """Let the next picture have its turn; harmless where this one had its own."""
        with self._change:
            if number >= self._turn:
                self._passed.add(number)
            while self._turn in self._passed:
                self._passed.remove(self._turn)
                self._turn += 1
            self._change.notify_all()

    def charge(self, process: object, size: int) -> None:
        """Count a process with so many bytes of its own; 0 for one that ended."""
        _put(self._processes, process, size, self._change)

    def give_back(self, number: int, left: int = 0) -> None:
        """Count a picture with the bytes that are left of it."""
        _put(self._pictures, number, left, self._change)

    def take(self, number: int, size: int, end_idle: Callable[[], bool]) -> None:
        """Wait until there is room for a picture; where no other is under way, wait no longer.

        Args:
            end_idle: Ends a process that has nothing to do; returns whether there was one.
        """
        while not self._taken(number, size):
            if end_idle():  # whose room may be enough, or not
                continue
            with self._change:
                if not self._pictures.keys() - {number}:
                    self._pictures[number] = size
                    return
                self._wait()

    def _taken(self, number: int, size: int) -> bool:
        with self._change:
            self._pictures.pop(number, None)
            free = self._total - sum(self._processes.values()) - sum(self._pictures.values())
            if size <= free:
                self._pictures[number] = size
            return size <= free

    def _wait(self) -> None:
        if self._closed:
            raise ClosedError
        self._change.wait(_LOOK_EVERY_S)


def _put(table: dict[Any, int], name: Any, size: int, change: threading.Condition) -> None:
    with change:
        table.pop(name, None)
        if size:
            table[name] = size
        change.notify_all()
