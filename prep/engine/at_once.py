"""Work that waits for an answer from elsewhere: several items in hand, each in a thread."""

import threading
from collections.abc import Callable, Iterable, Iterator
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


def _next(answers: "SimpleQueue[tuple[R | None, BaseException | None]]") -> R:
    while True:
        try:
            answer, error = answers.get(timeout=_LOOK_EVERY_S)
        except Empty:
            continue
        if error is not None:
            raise error
        return answer  # type: ignore[return-value]  # without an error there is an answer
