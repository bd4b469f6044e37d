"""A pool of decoding processes: a picture that hangs or crashes a decoder stops no run.

Knows no stage, ledger or Pillow; the processes (`prep.engine.decoder_worker`) do the decoding.
Kinds of failure: those of `prep.images.Unreadable`, and

missing          the file went away while it waited
unstable         it changed while it was read, three times
not-a-file       a folder, pipe, socket or device
io-error         the system cannot read it
timeout          its decoder took longer than the time limit
decoder-crash    its decoder died, and so did a fresh one
oom              the same, killed as the system does when memory runs out
"""

import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import LifoQueue
from typing import Any, TypeVar

from prep.engine.decoder_process import Failure, Picture, Worker
from prep.errors import MachineError

__all__ = ["WORKER", "Decoders", "Failure", "Picture"]

Key = TypeVar("Key")

# -P: a `PIL.py` in the folder where a person stands must never be imported.
WORKER = ("-P", "-m", "prep.engine.decoder_worker")
_STARTS = 3


class Decoders:
    """Decodes pictures in `jobs` processes, which start at the first picture.

    Args:
        jobs: Most processes at once; twice as many pictures are in memory or under way.
        timeout_s: A decoder that takes longer over one picture is killed.
        fit: Steps of `prep.fitting` that each picture goes through; () leaves it whole.
        worker: Arguments to Python that start a worker; tests bring ones that crash or hang.
    """

    def __init__(
        self,
        jobs: int,
        timeout_s: float = 30.0,
        worker: tuple[str, ...] = WORKER,
        fit: Sequence[Any] = (),
    ) -> None:
        self._ahead = max(2, 2 * jobs - 1)  # and one more is with whoever reads the results
        self._timeout_s, self._worker, self._fit = timeout_s, worker, fit
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="decoder")
        self._idle: LifoQueue[Worker | None] = LifoQueue()
        for _ in range(jobs):
            self._idle.put(None)
        self._alive: set[Worker] = set()
        self._lock, self._closed = threading.Lock(), False

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(self, *_: object) -> None:
        """End every worker at once, also one in the middle of a picture."""
        with self._lock:
            self._closed = True
            for worker in self._alive:
                worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._alive:
            worker.end()

    def decoded(
        self, pictures: Iterable[tuple[Key, Path]]
    ) -> Iterator[tuple[Key, Picture | Failure]]:
        """Yield the result for each picture, in the order given.

        `pictures` is read only as far ahead as there is room, in the calling thread.

        Raises:
            MachineError: No decoder can be started on this machine.
        """
        waiting: deque[tuple[Key, Future[Picture | Failure]]] = deque()
        try:
            for key, path in pictures:
                waiting.append((key, self._threads.submit(self._decode, path)))
                if len(waiting) == self._ahead:
                    yield _first(waiting)
            while waiting:
                yield _first(waiting)
        finally:
            for _, future in waiting:
                future.cancel()

    def _decode(self, path: Path) -> Picture | Failure:
        """Decode one picture in a thread; one whose decoder dies gets a second, fresh one."""
        code = 0
        worker = self._idle.get()
        try:
            for _ in range(2):
                worker = worker or self._started()
                answer = worker.decode(path, self._timeout_s, self._fit)
                if answer is None or worker.late:
                    code = self._ended(worker)
                    worker = None
                if answer is not None:
                    return answer
            return _death(code)
        finally:
            self._idle.put(worker)

    def _started(self) -> Worker:
        said = ""
        for _ in range(_STARTS):
            with self._lock:
                if self._closed:
                    raise _ClosedError
                worker = Worker(self._worker)
                self._alive.add(worker)
            if worker.ready():
                return worker
            said = worker.last_words()
            if self._ended(worker) >= 0:
                break  # it ended itself, and would again; a signal may have been meant for us all
        raise MachineError(
            f"the picture decoder does not start: {said or 'it says nothing'}",
            "install the program again, then run the same command",
        )

    def _ended(self, worker: Worker) -> int:
        code = worker.end()
        with self._lock:
            self._alive.discard(worker)
        return code


class _ClosedError(Exception):
    """The pool was left while a picture waited; nobody reads the result."""


def _first(
    waiting: deque[tuple[Key, Future[Picture | Failure]]],
) -> tuple[Key, Picture | Failure]:
    key, future = waiting.popleft()
    return key, future.result()


def _death(code: int) -> Failure:
    """Return the failure for a picture of which two decoders died, the last one with `code`."""
    if code == -getattr(signal, "SIGKILL", 9):
        return Failure("oom", "its decoder was killed, as happens when memory runs out")
    names = {-each.value: each.name for each in signal.Signals}
    name = names.get(code, f"exit code {code}")
    return Failure("decoder-crash", f"its decoder died ({name})")
