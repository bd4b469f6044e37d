import bisect
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from train.step.distributed import Processes


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.integers(1, 6), st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_every_place_is_computed_once(count: int, sizes: list[int]) -> None:
    """Whatever the processes and batches, each sample of a step is in one pass, of one batch."""
    found = [list(Processes("cpu", rank, count).passes(sizes)) for rank in range(count)]
    firsts = [0, *itertools.accumulate(sizes)]

    assert sorted(n for own in found for part in own for n in part) == list(range(firsts[-1]))
    for part in (part for own in found for part in own):
        (number,) = {bisect.bisect_right(firsts, n) - 1 for n in part}
        # No pass holds more than a whole batch's share.
        assert len(part) <= -(-sizes[number] // count)


def test_every_process_has_its_part() -> None:
    """Two batches of one are a pass for either of two processes; of four each takes half."""
    pair = [Processes("cpu", rank, 2) for rank in range(2)]

    assert [list(one.passes([1, 1])) for one in pair] == [[range(1, 2)], [range(1)]]
    assert [list(one.passes([4, 4])) for one in pair] == [
        [range(2), range(6, 8)], [range(2, 4), range(4, 6)],
    ]  # fmt: skip


def test_one_process_needs_no_other() -> None:
    """Alone, sums are the numbers themselves and nobody is waited for."""
    alone = Processes()

    alone.wait()
    assert alone.first
    assert alone.any(True, False) == (True, False)
    assert alone.shared({1: b"b", 0: b"a"}, 2) == [b"a", b"b"]
