"""Which samples and which random numbers belong to step n: computed from n, never carried.

An epoch of very many showings is drawn in parts, each with an even share of every bucket and
sample: memory and start do not grow with the repeats.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from prep.runtime.seeds import seed_for, seeds_for
from train.generators import generator_for

if TYPE_CHECKING:
    from torch import Tensor

Bucket = tuple[int, int]

# Showings that are drawn and sorted at once; an epoch of no more is one part.
_PART = 1 << 17


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
    repeats: Mapping[Bucket, Mapping[str, int]], batch: int, seed: int, epoch: int, skip: int = 0
) -> Iterator[tuple[str, ...]]:
    """Yield the batches of one epoch, each of one bucket, in the order they are seen.

    Their keys are showings: see `Showing`.

    A sample's place among its bucket is decided by its own key, so a new sample moves none of the
    others; the last batch of a bucket may be short.

    Args:
        repeats: Bucket -> key -> how often the sample is seen in an epoch.
        batch: Most samples in a batch.
        skip: So many batches at the beginning are left out.
    """
    parts = parts_of_epoch(repeats)
    shares = {
        bucket: _share(-(-sum(counts.values()) // batch), parts, seed, epoch, _name(bucket))
        for bucket, counts in repeats.items()
    }
    first = _last(parts, lambda part: sum(before(part) for before in shares.values()) <= skip)
    skip -= sum(before(first) for before in shares.values())
    keys = {
        bucket: _keys(counts, parts, seed, epoch, shares[bucket](first) * batch)
        for bucket, counts in repeats.items()
    }
    for part in range(first, parts):
        found = []
        for bucket, before in shares.items():
            place = seeds_for(seed, "batches", epoch, _name(bucket))
            for number in range(before(part), before(part + 1)):
                some = tuple(islice(keys[bucket], batch))
                found.append((place(number * batch), bucket, some))
        yield from (batch_keys for _, _, batch_keys in sorted(found)[skip:])
        skip = 0


def parts_of_epoch(repeats: Mapping[Bucket, Mapping[str, int]]) -> int:
    """Return in how many parts an epoch is drawn."""
    return max(1, -(-sum(sum(counts.values()) for counts in repeats.values()) // _PART))


def _name(bucket: Bucket) -> str:
    return f"{bucket[0]}x{bucket[1]}"


def _share(count: int, parts: int, seed: int, epoch: int, name: str) -> Callable[[int], int]:
    """Return a function from a part to how many of `count` things come before it.

    Whole things are spread evenly; where there are fewer than parts, the name decides which.
    """
    offset = seed_for(seed, "share", epoch, name) % parts if parts > 1 else 0
    return lambda part: (count * part + offset) // parts


def _last(parts: int, fits: Callable[[int], bool]) -> int:
    """Return the last part that fits, given that the first one and all before it do."""
    low, high = 0, parts - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _keys(
    counts: Mapping[str, int], parts: int, seed: int, epoch: int, start: int
) -> Iterator[str]:
    """Yield the keys of a bucket in the order of an epoch, from the `start`-th on."""
    shares = {key: _share(count, parts, seed, epoch, key) for key, count in counts.items()}
    first = _last(parts, lambda part: sum(before(part) for before in shares.values()) <= start)
    start -= sum(before(first) for before in shares.values())
    for part in range(first, parts):
        drawn = []
        for key, before in shares.items():
            place = seeds_for(seed, "order", epoch, key)
            drawn += [(place(nth), key, nth) for nth in range(before(part), before(part + 1))]
        drawn.sort()
        yield from (Showing(key, nth) for _, key, nth in drawn[start:])
        start = 0


def batches_per_epoch(repeats: Mapping[Bucket, Mapping[str, int]], batch: int) -> int:
    """Return how many batches an epoch has: the same for every epoch."""
    return sum(-(-sum(counts.values()) // batch) for counts in repeats.values())


def steps_per_epoch(
    repeats: Mapping[Bucket, Mapping[str, int]], batch: int, accumulate: int = 1
) -> int:
    """Return how many steps an epoch has; its last one may have fewer batches than the others."""
    return -(-batches_per_epoch(repeats, batch) // accumulate)


def samples_of_steps(
    repeats: Mapping[Bucket, Mapping[str, int]], batch: int, accumulate: int = 1
) -> tuple[int, float]:
    """Return how many samples a step has at most, and how many on average over an epoch."""
    counts = [sum(each.values()) for each in repeats.values()]
    whole = min(accumulate, sum(count // batch for count in counts))
    short = sorted((count % batch for count in counts), reverse=True)[: accumulate - whole]
    average = sum(counts) / steps_per_epoch(repeats, batch, accumulate)
    return whole * batch + sum(short), average


def step_order(
    repeats: Mapping[Bucket, Mapping[str, int]],
    batch: int,
    accumulate: int,
    seed: int,
    start: int = 0,
) -> Iterator[tuple[tuple[str, ...], ...]]:
    """Yield the batches of step `start`, of the one after it, and so on without end.

    There has to be a sample to see: `repeats` must not count to zero.

    Args:
        accumulate: Batches of a step: so many of an epoch's order, of whatever buckets.
    """
    epoch, skip = divmod(start, steps_per_epoch(repeats, batch, accumulate))
    while True:
        order = batches_of_epoch(repeats, batch, seed, epoch, skip * accumulate)
        while some := tuple(islice(order, accumulate)):
            yield some
        epoch, skip = epoch + 1, 0


def times_seen(
    repeats: Mapping[Bucket, Mapping[str, int]],
    batch: int,
    accumulate: int,
    seed: int,
    steps: int,
) -> dict[str, int]:
    """Return how often each sample was shown in the first so many steps."""
    epochs, more = divmod(steps, steps_per_epoch(repeats, batch, accumulate))
    found = {key: n * epochs for counts in repeats.values() for key, n in counts.items()}
    for keys in islice(batches_of_epoch(repeats, batch, seed, epochs), more * accumulate):
        for key in keys:
            found[key] += 1
    return found


def uniform(seed: int, purpose: str, step: int, place: int) -> float:
    """Return a number of [0, 1), drawn as `normal` draws."""
    import torch

    return float(torch.rand((), generator=generator_for(seed, purpose, step, place)))


def normal(seed: int, purpose: str, step: int, place: int, shape: tuple[int, ...]) -> "Tensor":
    """Return standard normal float32 numbers, drawn on the CPU.

    Args:
        purpose: What they are for: `noise`, `posterior` and so on.
        place: Index of the sample among all samples of the step.
    """
    import torch

    return torch.randn(shape, generator=generator_for(seed, purpose, step, place))
