import pytest

from train.step.distributed import Processes


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("accumulate", [1, 2, 4])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_every_place_is_computed_once(count: int, accumulate: int, size: int) -> None:
    """Whatever the processes and passes, each sample of a step belongs to one pass of one."""
    found = [
        list(Processes("cpu", rank, count).passes(size, 4, accumulate)) for rank in range(count)
    ]

    assert [place for own in found for part in own for place in part] == list(range(size))
    # No pass holds more than a whole batch's share.
    assert all(len(part) <= -(-4 // (count * accumulate)) for own in found for part in own)


def test_one_process_needs_no_other() -> None:
    """Alone, sums are the numbers themselves and nobody is waited for."""
    alone = Processes()

    alone.wait()
    assert alone.first
    assert alone.total(3) == 3
    assert alone.shared({1: b"b", 0: b"a"}, 2) == [b"a", b"b"]
