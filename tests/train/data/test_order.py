import time
import tracemalloc
from collections import Counter
from itertools import chain, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.data import order
from train.data.order import (
    batches_of_epoch,
    batches_per_epoch,
    normal,
    step_order,
    steps_per_epoch,
    times_seen,
)

COUNTS = {
    (64, 64): {"a": 1, "b": 2, "c": 1, "d": 1},
    (32, 64): {"e": 1, "f": 3},
}
BUCKET_OF = {key: bucket for bucket, counts in COUNTS.items() for key in counts}


@pytest.mark.parametrize("batch", [1, 2, 3, 7])
def test_an_epoch_shows_each_sample_as_often_as_asked(batch: int) -> None:
    """Repeats are kept, batches hold one bucket, and only a bucket's last one is short."""
    found = list(batches_of_epoch(COUNTS, batch, 0, 0))

    assert Counter(key for keys in found for key in keys) == {
        key: count for counts in COUNTS.values() for key, count in counts.items()
    }
    assert all(len({BUCKET_OF[key] for key in keys}) == 1 for keys in found)
    sizes = Counter((BUCKET_OF[keys[0]], len(keys)) for keys in found)
    for bucket, counts in COUNTS.items():
        full, rest = divmod(sum(counts.values()), batch)
        assert sizes[bucket, batch] == full
        assert rest == 0 or sizes[bucket, rest] == 1
    assert len(found) == batches_per_epoch(COUNTS, batch)


def test_the_order_is_computed_not_carried() -> None:
    """Beginning at step n shows the same batches as having come there from the start."""
    whole = list(islice(step_order(COUNTS, 2, 1, 5), 23))

    assert [next(step_order(COUNTS, 2, 1, 5, start)) for start in range(23)] == whole


def test_epochs_and_seeds_differ() -> None:
    """Another epoch, and another seed, has another order."""
    seen = {tuple(batches_of_epoch(COUNTS, 1, seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}

    assert len(seen) == 4


def test_how_samples_are_listed_changes_nothing() -> None:
    """Buckets and keys in another order give the same epoch."""
    turned = {bucket: dict(reversed(counts.items())) for bucket, counts in reversed(COUNTS.items())}

    assert list(batches_of_epoch(turned, 2, 0, 3)) == list(batches_of_epoch(COUNTS, 2, 0, 3))


def test_a_new_sample_moves_none_of_the_others() -> None:
    """The samples of a bucket keep their order among themselves when one is added."""
    ((*few,), (*more,)) = (
        next(batches_of_epoch({(8, 8): dict.fromkeys(keys, 1)}, 100, 0, 0))
        for keys in ("abcdef", "abcdefg")
    )

    assert [key for key in more if key != "g"] == few


def test_noise_belongs_to_step_and_place() -> None:
    """Noise is standard normal, and the same only for one seed, purpose, step and place."""
    import torch

    first = normal(0, "noise", 3, 1, (4, 8, 8))

    assert torch.equal(first, normal(0, "noise", 3, 1, (4, 8, 8)))
    for other in (
        (1, "noise", 3, 1),
        (0, "posterior", 3, 1),
        (0, "noise", 4, 1),
        (0, "noise", 3, 0),
    ):
        assert not torch.equal(first, normal(*other, (4, 8, 8)))
    many = normal(0, "noise", 0, 0, (100_000,))
    assert abs(many.mean().item()) < 0.02
    assert abs(many.std().item() - 1) < 0.02


def test_an_epoch_of_any_length_begins_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case D1: twenty million repeats of a picture cost no more memory or time than a few."""
    monkeypatch.setattr(order, "_PART", 1 << 13)
    counts = {(64, 64): dict.fromkeys("abcde", 20_231_105), (32, 64): {"f": 2**62}}
    begun = time.process_time()
    tracemalloc.start()
    try:
        seen = [*chain(*islice(step_order(counts, 2, 1, 0), 3))]
        (last,) = next(step_order(counts, 2, 1, 0, steps_per_epoch(counts, 2) - 1))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert [len(keys) for keys in seen] == [2, 2, 2]
    assert len(last) in (1, 2)
    assert most < 20 << 20
    assert time.process_time() - begun < 10


def _some(most: int) -> st.SearchStrategy[dict[tuple[int, int], dict[str, int]]]:
    """Return buckets of samples that are shown up to so often, at least one of them once."""
    keys = st.text("abcdef", min_size=1, max_size=3)
    return st.dictionaries(
        st.tuples(st.integers(1, 3), st.integers(1, 3)),
        st.dictionaries(keys, st.integers(0, most), max_size=6),
        max_size=3,
    ).filter(lambda counts: any(n for each in counts.values() for n in each.values()))


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    counts=_some(40),
    part=st.integers(1, 60),
    batch=st.integers(1, 4),
    cut=st.floats(0, 1),
)
def test_an_epoch_in_parts_is_whole(
    counts: dict[tuple[int, int], dict[str, int]], part: int, batch: int, cut: float
) -> None:
    """Case D1: drawn in parts, an epoch shows each as often as asked, from any step on alike."""
    with pytest.MonkeyPatch.context() as small:
        small.setattr(order, "_PART", part)
        whole = list(batches_of_epoch(counts, batch, 0, 1))
        skip = int(cut * (len(whole) - 1))
        rest = list(batches_of_epoch(counts, batch, 0, 1, skip))
    asked = Counter({(at, key): n for at, each in counts.items() for key, n in each.items() if n})

    assert rest == whole[skip:]
    assert len(whole) == batches_per_epoch(counts, batch)
    shown: Counter[str] = Counter(key for keys in whole for key in keys)
    wanted: Counter[str] = Counter()
    for (_, key), count in asked.items():
        wanted[key] += count
    assert shown == wanted


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    counts=_some(6),
    batch=st.integers(1, 5),
    accumulate=st.integers(1, 5),
    start=st.floats(0, 1),
)
def test_steps_are_the_epoch_s_batches_in_turn(
    counts: dict[tuple[int, int], dict[str, int]], batch: int, accumulate: int, start: float
) -> None:
    """Steps take `accumulate` batches each, epoch by epoch, from any step on alike, none twice."""
    per_epoch = steps_per_epoch(counts, batch, accumulate)
    whole = list(islice(step_order(counts, batch, accumulate, 3), 2 * per_epoch))
    first = int(start * (2 * per_epoch - 1))
    tail = islice(step_order(counts, batch, accumulate, 3, first), 2 * per_epoch - first)

    for epoch in (0, 1):
        steps = whole[epoch * per_epoch : (epoch + 1) * per_epoch]
        assert [*chain(*steps)] == list(batches_of_epoch(counts, batch, 3, epoch))
        assert all(len(step) == accumulate for step in steps[:-1])
        assert 1 <= len(steps[-1]) <= accumulate
    assert list(tail) == whole[first:]
    shown = Counter(key for step in whole[: first + 1] for keys in step for key in keys)
    seen = times_seen(counts, batch, accumulate, 3, first + 1)
    if sum(map(len, counts.values())) == len(seen):  # else a key stands in two buckets
        assert {key: n for key, n in seen.items() if n} == shown


def test_no_part_is_without_the_rare_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case D1: in each part of a long epoch, what is shown often and seldom have their share."""
    monkeypatch.setattr(order, "_PART", 100)
    counts = {(8, 8): {"often": 900} | {f"once {n}": 1 for n in range(100)}}
    shown = [keys[0] for keys in batches_of_epoch(counts, 1, 0, 0)]
    tenths = [shown[start : start + 100].count("often") for start in range(0, 1000, 100)]

    assert min(tenths) > 80
    assert max(tenths) < 98


def test_epochs_of_before_are_drawn_as_before() -> None:
    """Case D1: an epoch that is one part has the order that it always had."""
    counts = {(64, 64): {"a": 3, "b": 1}, (32, 64): {"c": 2}}

    assert list(batches_of_epoch(counts, 2, 3, 1)) == [("c", "c"), ("a", "b"), ("a", "a")]
