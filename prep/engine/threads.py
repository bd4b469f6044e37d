"""Work in threads: several items that wait for an answer from elsewhere, or one item ahead."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import Empty, SimpleQueue
from typing import TypeVar

from prep.runtime.stopping import patience

T = TypeVar("T")
R = TypeVar("R")

_LOOK_EVERY_S = 0.5  # a wait without end cannot be stopped by Ctrl-C on Windows


def at_once(work: Callable[[T], R], items: Iterable[T], many: int) -> Iterator[R]:
    """Yield `work(item)` for each item as it is done; `many` of them at most are in hand.

    Threads are daemons: a stop waits for no answer. What `work` raises is raised here, when its
    turn comes; answers that came before it were yielded.
    """
    answers: SimpleQueue[tuple[R | None, BaseException | None]] = SimpleQueue()

    def one(item: T) -> None:
        try:
            answers.put((work(item), None))
        except BaseException as error:  # it ends the run, not this thread alone
            answers.put((None, error))

    waiting = 0
    for item in items:
        if waiting == many:
            yield _next(answers)
            waiting -= 1
        threading.Thread(target=one, args=(item,), daemon=True).start()
        waiting += 1
    for _ in range(waiting):
        yield _next(answers)


def one_ahead(
    work: Callable[[T], R], items: Iterable[T], waits: Callable[[], None] = lambda: None
) -> Generator[R, None, None]:
    """Yield `work(item)` for each item, in their order, from one thread.

    While whoever takes an answer is busy with it, the next item is worked on and the one after
    it is read. After an item that fails, none is begun.

    A stop, and an error in reading items, waits for the item under way and gives its answer on;
    whoever leaves instead drops it.

    Args:
        work: Called by one thread, with one item at a time.
        items: Read in the calling thread, one further than is worked on.
        waits: Called where a stop has to wait.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="call")
    ahead: deque[Future[R]] = deque()
    try:
        for item in items:
            ahead.append(thread.submit(_after, ahead[-1] if ahead else None, work, item))
            if len(ahead) == 2:
                yield _done(ahead[0])
                ahead.popleft()
        for future in ahead:
            yield _done(future)
    except GeneratorExit:
        raise
    except BaseException:
        thread.shutdown(wait=False, cancel_futures=True)
        for future in [one for one in ahead if not one.cancelled()]:
            if not future.done():
                waits()
            with patience():
                done = _done(future)
            yield done
        raise
    finally:
        with patience():
            thread.shutdown(cancel_futures=True)


def _after(before: "Future[R] | None", work: Callable[[T], R], item: T) -> R:
    """Work on an item, unless the one before it failed: it then fails of the same."""
    if before is not None:
        before.result()
    return work(item)


def _done(future: "Future[R]") -> R:
    while not future.done():
        wait([future], _LOOK_EVERY_S)
    return future.result()


def _next(answers: "SimpleQueue[tuple[R | None, BaseException | None]]") -> R:
    while True:
        try:
            answer, error = answers.get(timeout=_LOOK_EVERY_S)
        except Empty:
            continue
        if error is not None:
            raise error
        return answer  # type: ignore[return-value]  # without an error there is an answer
