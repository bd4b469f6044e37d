"""Work in threads: several items that wait for an answer from elsewhere, or one item ahead."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import Empty, SimpleQueue
from typing import TypeVar

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


def one_ahead(work: Callable[[T], R], items: Iterable[T]) -> Generator[R, None, None]:
    """Yield `work(item)` for each item, in their order, from one thread.

    While whoever takes an answer is busy with it, the next item is worked on and the one after
    it is read. A stop waits for the item under way, and drops it.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="call")
    under_way: Future[R] | None = None
    try:
        for item in items:
            last, under_way = under_way, thread.submit(work, item)
            if last is not None:
                yield _done(last)
        if under_way is not None:
            yield _done(under_way)
    finally:
        thread.shutdown(cancel_futures=True)


def _done(future: "Future[R]") -> R:
    while not wait([future], _LOOK_EVERY_S).done:
        pass
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
