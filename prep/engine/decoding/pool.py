"""A pool of decoding processes: a picture that hangs or crashes a decoder stops no run.

Knows no stage, ledger or Pillow; the processes (`prep.engine.decoding.worker`) do the decoding.
Kinds of failure: those of `prep.images.picture_file.Unreadable`, and

missing          the file went away while it waited
unstable         it changed while it was read, three times
unlike           a mask that is not as large as its picture
not-a-file       a folder, pipe, socket or device
io-error         the system cannot read it
timeout          its decoder took longer than the time limit
decoder-crash    its decoder died, and so did a fresh one
oom              the same, killed as the system does when memory runs out
"""

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache, partial
from itertools import chain, starmap
from pathlib import Path
from typing import Any, TypeVar

from prep.engine.decoding.groups import AskedPicture, grouped
from prep.engine.decoding.memory import MOST_WORKERS, RESULT_BYTES, SMALL_BYTES, ClosedError, Memory
from prep.engine.decoding.outcome import DecodedPicture, Failure, Part
from prep.engine.decoding.process import Worker
from prep.runtime.errors import MachineError

Key = TypeVar("Key")
Result = DecodedPicture | Failure

# -P: a `PIL.py` in the folder where a person stands must never be imported.
WORKER = ("-P", "-m", "prep.engine.decoding.worker")
_STARTS = 3
_PATIENCE_S = 1.0
_LOOK_EVERY_S = 0.5  # a wait without end cannot be stopped by Ctrl-C on Windows


class Decoders:
    """Decodes pictures in `jobs` processes, which start at the first picture.

    However large the pictures, all of it stays within `memory.TREE_BYTES`: large ones wait for
    each other.

    Args:
        jobs: Most processes at once, up to as many as there is memory for; at most twice as many
            pictures, or groups of small ones, are in memory or under way.
        timeout_s: A decoder that takes longer over one picture is killed.
        fit: Steps of `prep.images.fitting` that each picture goes through, or what returns them
            for a picture's key; () leaves it whole.
        parts: From a key and what is known of its picture, which parts of it are to be written as
            files; called in threads. The pixels stay in the decoder. None: they are wanted here.
        worker: Arguments to Python that start a worker; tests bring ones that crash or hang.
    """

    def __init__(
        self,
        jobs: int,
        timeout_s: float = 30.0,
        worker: tuple[str, ...] = WORKER,
        fit: "Sequence[Any] | Callable[[Any], Sequence[Any]]" = (),
        parts: Callable[[Any, DecodedPicture], Sequence[Part]] | None = None,
    ) -> None:
        jobs = min(jobs, MOST_WORKERS)
        self._ahead = max(2, 2 * jobs - 1)  # and one more is with whoever reads the results
        self._timeout_s, self._worker, self._parts = timeout_s, worker, parts
        self._fit: Callable[[Any], Sequence[Any]] = fit if callable(fit) else lambda _: fit
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="decoder")
        self._memory = Memory()
        self._idle: list[Worker] = []
        self._alive: set[Worker] = set()
        self._tasks: set[Future[None]] = set()
        self._lock, self._closed = threading.Lock(), False

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(self, *_: object) -> None:
        """End every worker at once, also one in the middle of a picture.

        What `parts` is doing in a thread is waited for, but not for long.
        """
        with self._lock:
            self._closed = True
            for worker in self._alive:
                worker.kill()
        self._memory.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        wait(self._tasks, _PATIENCE_S)
        for worker in list(self._alive):
            worker.end()

    def decoded(self, pictures: Iterable[tuple[Key, Path]]) -> Iterator[tuple[Key, Result]]:
        """Yield the result for each picture, in the order given.

        `pictures` is read only as far ahead as there is room, in the calling thread.

        Raises:
            MachineError: No decoder can be started on this machine.
            UnwrittenError: The disk did not take a part of a picture.
        """
        waiting: deque[deque[AskedPicture]] = deque()
        try:
            for group in grouped(starmap(self._asked, pictures)):
                for one in group:
                    one.number = self._memory.number()
                waiting.append(deque(group))
                task = self._threads.submit(self._decode, group)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                if len(waiting) == self._ahead:
                    yield from self._results(waiting[0])
                    waiting.popleft()
            while waiting:
                yield from self._results(waiting[0])
                waiting.popleft()
        finally:
            for one in chain.from_iterable(waiting):
                if not one.result.cancel():
                    self._memory.give_back(one.number)

    def _asked(self, key: Any, path: Path) -> AskedPicture:
        parts = cache(partial(self._parts, key)) if self._parts else None
        return AskedPicture(key, path, self._fit(key), parts)

    def _results(self, group: deque[AskedPicture]) -> Iterator[tuple[Any, Result]]:
        while group:
            one = group[0]
            while not one.result.done():
                wait([one.result], _LOOK_EVERY_S)
            group.popleft()
            try:
                yield one.key, one.result.result()
            finally:
                self._memory.give_back(one.number)

    def _decode(self, group: list[AskedPicture]) -> None:
        """Decode a group in a thread; a picture whose decoder dies gets a second, fresh one."""
        try:
            while group and not group[0].result.cancelled():
                self._start_one()
                self._memory.wait_for_turn(group[0].number)
                self._decode_some(group)
        except BaseException as error:
            for one in group:
                if one.result.set_running_or_notify_cancel():
                    one.result.set_exception(error)
        finally:
            for one in group:
                self._memory.pass_turn(one.number)
                self._memory.give_back(one.number)

    def _decode_some(self, group: list[AskedPicture]) -> None:
        """Decode the first pictures of a group, and take them from it."""
        worker = self._taken()
        pictures = [(one.path, one.fit) for one in group]
        leave = partial(self._leave, group)
        for answer in worker.decode(pictures, self._timeout_s, leave, group[0].parts):
            self._answer(group.pop(0), answer)
        if not (worker.died or worker.late):
            self._put_back(worker)
            return
        code = self._ended(worker)
        if group and not worker.late:
            group[0].deaths += 1
            if group[0].deaths == 2:
                self._answer(group.pop(0), _death(code))

    def _answer(self, one: AskedPicture, result: Result) -> None:
        self._memory.pass_turn(one.number)
        left = len(result.rgb) // 3 * RESULT_BYTES if isinstance(result, DecodedPicture) else 0
        self._memory.give_back(one.number, left)
        if one.result.set_running_or_notify_cancel():
            one.result.set_result(result)
        else:
            self._memory.give_back(one.number)

    def _leave(self, group: Sequence[AskedPicture], size: int, count: int) -> None:
        """Return when the first pictures may take so many bytes; then the next ones may ask."""
        if size > SMALL_BYTES:
            self._memory.take(group[0].number, size, self._end_idle)
        for one in group[:count]:
            self._memory.pass_turn(one.number)

    def _start_one(self) -> None:
        """Start a worker where none is idle: several threads do so at a time."""
        with self._lock:
            there = bool(self._idle)
        if not there:
            self._put_back(self._started())

    def _taken(self) -> Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._started()

    def _put_back(self, worker: Worker) -> None:
        self._memory.charge(worker, worker.own_bytes())
        with self._lock:
            self._idle.append(worker)

    def _end_idle(self) -> bool:
        """End a worker that has nothing to do, for the memory it keeps."""
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is not None:
            self._ended(worker)
        return worker is not None

    def _started(self) -> Worker:
        said = ""
        for _ in range(_STARTS):
            with self._lock:
                if self._closed:
                    raise ClosedError
                worker = Worker(self._worker)
                self._alive.add(worker)
            self._memory.charge(worker, worker.own_bytes())
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
        self._memory.charge(worker, 0)
        return code


def _death(code: int) -> Failure:
    """Return the failure for a picture of which two decoders died, the last one with `code`."""
    if code == -getattr(signal, "SIGKILL", 9):
        return Failure("oom", "its decoder was killed, as happens when memory runs out")
    names = {-each.value: each.name for each in signal.Signals}
    name = names.get(code, f"exit code {code}")
    return Failure("decoder-crash", f"its decoder died ({name})")
