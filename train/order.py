"""Which samples and which random numbers belong to step n: computed from n, never carried."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from prep.seeds import seed_for

if TYPE_CHECKING:
    from torch import Tensor

Bucket = tuple[int, int]


class Showing(str):
    """A sample's key as it is met in an epoch.

    Attributes:
        nth: Which of the sample's showings in that epoch this is, from 0.
    """

    nth: int

    def __new__(cls, key: str, nth: int) -> "Showing":
        """Return `key`, shown for the `nth` time."""
        found = super().__new__(cls, key)
        found.nth = nth
        return found


def nth_of(key: str) -> int:
    """Return which showing a key stands for; 0 where it is a plain one."""
    return key.nth if isinstance(key, Showing) else 0


def batches_of_epoch(
    repeats: Mapping[Bucket, Mapping[str, int]], batch: int, seed: int, epoch: int
) -> list[tuple[str, ...]]:
    """Return the batches of one epoch, each of one bucket, in the order they are seen.

    Their keys are showings: see `Showing`.

    A sample's place among its bucket is decided by its own key, so a new sample moves none of the
    others; the last batch of a bucket may be short.

    Args:
        repeats: Bucket -> key -> how often the sample is seen in an epoch.
        batch: Most samples in a batch.
    """
    found: list[tuple[int, Bucket, tuple[str, ...]]] = []
    for bucket, counts in repeats.items():
        drawn = sorted(
            (seed_for(seed, "order", epoch, key, nth), Showing(key, nth))
            for key, count in counts.items()
            for nth in range(count)
        )
        for start in range(0, len(drawn), batch):
            keys = tuple(key for _, key in drawn[start : start + batch])
            place = seed_for(seed, "batches", epoch, f"{bucket[0]}x{bucket[1]}", start)
            found.append((place, bucket, keys))
    return [keys for _, _, keys in sorted(found)]


def steps_per_epoch(repeats: Mapping[Bucket, Mapping[str, int]], batch: int) -> int:
    """Return how many batches an epoch has: the same for every epoch."""
    return sum(-(-sum(counts.values()) // batch) for counts in repeats.values())


def batches(
    repeats: Mapping[Bucket, Mapping[str, int]], batch: int, seed: int, start: int = 0
) -> Iterator[tuple[str, ...]]:
    """Yield the keys of step `start`, of the one after it, and so on without end.

    There has to be a sample to see: `repeats` must not count to zero.
    """
    epoch, skip = divmod(start, steps_per_epoch(repeats, batch))
    while True:
        yield from batches_of_epoch(repeats, batch, seed, epoch)[skip:]
        epoch, skip = epoch + 1, 0


def times_seen(
    repeats: Mapping[Bucket, Mapping[str, int]], batch: int, seed: int, steps: int
) -> dict[str, int]:
    """Return how often each sample was shown in the first so many steps."""
    epochs, more = divmod(steps, steps_per_epoch(repeats, batch))
    found = {key: n * epochs for counts in repeats.values() for key, n in counts.items()}
    for keys in batches_of_epoch(repeats, batch, seed, epochs)[:more]:
        for key in keys:
            found[key] += 1
    return found


def normal(seed: int, purpose: str, step: int, place: int, shape: tuple[int, ...]) -> "Tensor":
    """Return standard normal float32 numbers, drawn on the CPU.

    Args:
        purpose: What they are for: `noise` or `posterior`.
        place: Index of the sample in the global batch of the step.
    """
    import torch

    generator = torch.Generator("cpu").manual_seed(seed_for(seed, purpose, step, place))
    return torch.randn(shape, generator=generator)


def timestep(seed: int, step: int, place: int, count: int) -> int:
    """Return a timestep, uniform over 0 .. count - 1."""
    import torch

    generator = torch.Generator("cpu").manual_seed(seed_for(seed, "timestep", step, place))
    return int(torch.randint(0, count, (), generator=generator))
