from collections import Counter
from itertools import islice

import pytest

from train.order import batches, batches_of_epoch, normal, steps_per_epoch, timestep

COUNTS = {
    (64, 64): {"a": 1, "b": 2, "c": 1, "d": 1},
    (32, 64): {"e": 1, "f": 3},
}
BUCKET_OF = {key: bucket for bucket, counts in COUNTS.items() for key in counts}


@pytest.mark.parametrize("batch", [1, 2, 3, 7])
def test_an_epoch_shows_each_sample_as_often_as_asked(batch: int) -> None:
    """Repeats are kept, batches hold one bucket, and only a bucket's last one is short."""
    found = batches_of_epoch(COUNTS, batch, 0, 0)

    assert Counter(key for keys in found for key in keys) == {
        key: count for counts in COUNTS.values() for key, count in counts.items()
    }
    assert all(len({BUCKET_OF[key] for key in keys}) == 1 for keys in found)
    sizes = Counter((BUCKET_OF[keys[0]], len(keys)) for keys in found)
    for bucket, counts in COUNTS.items():
        full, rest = divmod(sum(counts.values()), batch)
        assert sizes[bucket, batch] == full
        assert rest == 0 or sizes[bucket, rest] == 1
    assert len(found) == steps_per_epoch(COUNTS, batch)


def test_the_order_is_computed_not_carried() -> None:
    """Beginning at step n shows the same batches as having come there from the start."""
    whole = list(islice(batches(COUNTS, 2, 5), 23))

    assert [next(batches(COUNTS, 2, 5, start)) for start in range(23)] == whole


def test_epochs_and_seeds_differ() -> None:
    """Another epoch, and another seed, has another order."""
    seen = {tuple(batches_of_epoch(COUNTS, 1, seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}

    assert len(seen) == 4


def test_how_samples_are_listed_changes_nothing() -> None:
    """Buckets and keys in another order give the same epoch."""
    turned = {bucket: dict(reversed(counts.items())) for bucket, counts in reversed(COUNTS.items())}

    assert batches_of_epoch(turned, 2, 0, 3) == batches_of_epoch(COUNTS, 2, 0, 3)


def test_a_new_sample_moves_none_of_the_others() -> None:
    """The samples of a bucket keep their order among themselves when one is added."""
    ((*few,), (*more,)) = (
        batches_of_epoch({(8, 8): dict.fromkeys(keys, 1)}, 100, 0, 0)[0]
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


def test_timesteps_are_uniform() -> None:
    """Over many steps every tenth of the range is met about equally often, both ends included."""
    drawn = [timestep(0, step, 0, 10) for step in range(2000)]

    assert set(drawn) == set(range(10))
    assert all(140 < count < 260 for count in Counter(drawn).values())
