import threading
import time
from collections.abc import Iterator

import pytest

from prep.engine.at_once import at_once


def test_as_many_as_asked_are_in_hand() -> None:
    """Of 30 items 4 are worked on at any time, no more and, while there are that many, no fewer."""
    lock, meet = threading.Lock(), threading.Barrier(4)
    now, most = 0, 0

    def work(item: int) -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        if item < 28:
            meet.wait(10)  # goes on only when four stand here together
        with lock:
            now -= 1
        return item

    assert sorted(at_once(work, range(30), 4)) == list(range(30))
    assert most == 4


def test_an_answer_is_given_on_as_it_comes() -> None:
    """A slow item holds up none of those after it, and no item is taken before its turn."""
    taken: list[int] = []
    slow = threading.Event()

    def items() -> Iterator[int]:
        for item in range(5):
            taken.append(item)
            yield item

    def work(item: int) -> int:
        if item == 0:
            slow.wait(10)
        return item

    answers = at_once(work, items(), 2)
    first = [next(answers) for _ in range(3)]

    assert first == [1, 2, 3]
    assert taken == [0, 1, 2, 3, 4]
    slow.set()
    assert sorted(answers) == [0, 4]


def test_what_a_thread_raises_is_raised_here() -> None:
    """An error ends the whole at once; threads that still wait hold up nothing."""
    never = threading.Event()

    def work(item: int) -> int:
        if item == 1:
            raise ValueError("two")
        never.wait(60)
        return item

    began = time.monotonic()
    with pytest.raises(ValueError, match="two"):
        list(at_once(work, range(3), 3))

    assert time.monotonic() - began < 5
    never.set()


def test_nothing_to_do() -> None:
    """No items, no answers."""
    assert list(at_once(str, [], 3)) == []
