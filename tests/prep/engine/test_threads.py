import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from prep.engine.threads import at_once, one_ahead


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


def test_one_is_worked_on_while_another_is_taken_and_the_next_is_read() -> None:
    """Answers keep their order; each item is begun before the answer before it is given on."""
    begun = [threading.Event() for _ in range(4)]
    read: list[int] = []

    def items() -> Iterator[int]:
        for item in range(4):
            read.append(item)
            yield item

    def work(item: int) -> int:
        begun[item].set()
        return item * 10

    for place, answer in enumerate(one_ahead(work, items())):
        assert answer == place * 10
        assert read == list(range(min(place + 2, 4)))
        assert place == 3 or begun[place + 1].wait(10)


def test_only_one_is_worked_on_at_a_time() -> None:
    """All items meet the same thread, which is not the one that takes the answers."""
    threads = set(one_ahead(lambda _: threading.get_ident(), range(5)))

    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_an_error_one_ahead_comes_in_its_turn() -> None:
    """Answers before it are given on; what is read behind it is not begun."""
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            time.sleep(0.1)  # the next one stands ready by then
            raise ValueError("two")
        return item

    answers = one_ahead(work, range(5))

    assert next(answers) == 0
    with pytest.raises(ValueError, match="two"):
        next(answers)
    assert begun == [0, 1]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, ValueError])
def test_a_stop_while_items_are_read_keeps_the_item_under_way(stop: type[BaseException]) -> None:
    """What a model has in hand when Ctrl-C, SIGTERM or an error comes is waited for, and kept."""
    told: list[str] = []
    under_way, slow = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield from range(2)
        assert under_way.wait(10)
        raise stop

    def work(item: int) -> int:
        if item == 1:
            under_way.set()
            slow.wait(10)
        return item

    def waits() -> None:
        told.append("waits")
        slow.set()

    answers = one_ahead(work, items(), waits)

    assert next(answers) == 0
    assert next(answers) == 1
    with pytest.raises(stop):
        next(answers)
    assert told == ["waits"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no pthread_kill")
def test_ctrl_c_while_a_model_works_keeps_its_answer_and_begins_no_other() -> None:
    """A stop in the middle of a call loses no picture of it."""
    begun: list[int] = []
    main = threading.get_ident()

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            time.sleep(0.2)  # by then, the answer before it was taken and this one is waited for
            signal.pthread_kill(main, signal.SIGINT)
            time.sleep(0.2)
        return item

    answers = one_ahead(work, range(5))

    assert [next(answers), next(answers)] == [0, 1]
    with pytest.raises(KeyboardInterrupt):
        next(answers)
    assert begun == [0, 1]


def test_a_stop_waits_for_the_item_under_way_and_begins_no_other() -> None:
    """Whoever leaves in the middle finds the work at rest."""
    under_way, done = threading.Event(), threading.Event()
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            under_way.set()
            time.sleep(0.2)
            done.set()
        return item

    answers = one_ahead(work, range(5))
    next(answers)
    assert under_way.wait(10)
    answers.close()

    assert done.is_set()
    assert begun == [0, 1]


def test_nothing_to_do_one_ahead() -> None:
    """No items, no answers."""
    assert list(one_ahead(str, [])) == []
