"""What the steps to come are shown: made beforehand by a thread where a card computes.

It depends on nothing that the steps before it did, so no bit depends on how far ahead it is made.

Letters: B batch, C channels, H and W height and width of latents.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from train.config import Config
from train.data.batches import Batch, Batches
from train.data.order import step_order, steps_per_epoch
from train.data.preserved_texts import PreservedTexts
from train.families.noise_process import Prediction, Process
from train.step.distributed import Processes

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")


class PassInputs(NamedTuple):
    """What one pass through the network is shown, on the CPU; the states of its texts are not here.

    Attributes:
        noisy_BCHW: Mixture of latents and noise.
        target_BCHW: What the network should say of it.
        weight_B: Of each sample's loss.
        width_B: See `LossOptions.widths`; None of a loss without a width.
        mask_BHW: See `Batch`.
        sizes: See `Batch`, as for `preserved`.
        places: Indices of the samples among all samples of the step; empty where they count for
            nothing here.
    """

    noisy_BCHW: "Tensor"
    target_BCHW: "Tensor"
    time_B: "Tensor"
    weight_B: "Tensor"
    width_B: "Tensor | None"
    mask_BHW: "Tensor | None"
    sizes: "Mapping[str, Tensor]"
    texts: tuple[str, ...]
    preserved: tuple[PreservedTexts, ...] = ()
    places: range = range(0)


class StepInputs(NamedTuple):
    """What this process is shown in a step.

    Attributes:
        keys: Of the samples of the whole step, those of other processes among them.
        digests: Of each place of this process; see `Batch`.
    """

    passes: tuple[PassInputs, ...]
    keys: tuple[str, ...]
    digests: Mapping[int, bytes]


def coming_steps(
    batches: Batches, process: Process, processes: Processes, done: int, steps: int
) -> Iterator[StepInputs]:
    """Yield what each step from `done` up to `steps` is shown.

    For a card it lies in memory that the card reads by itself.
    """
    config, repeats = batches.config, batches.data.repeats()
    per_epoch = steps_per_epoch(repeats, config.batch, config.accumulate)
    order = step_order(repeats, config.batch, config.accumulate, config.seed, done)
    for step, each in enumerate(islice(order, steps - done), done):
        keys, digests = [*chain(*each)], dict[int, bytes]()
        passes = []
        for places in processes.passes([len(some) for some in each]):
            shown = shown_places(places)
            batch = batches.batch(keys, step, step // per_epoch, shown, process)
            made = pass_inputs(batch, process, config)._replace(places=places)
            if places:
                digests |= dict(zip(places, batch.digests, strict=True))
            else:  # others compute all of this batch, and this process goes along
                made = made._replace(weight_B=made.weight_B * 0)
            passes.append(made if processes.device == "cpu" else _pinned(made))
        yield StepInputs(tuple(passes), tuple(keys), digests)


def shown_places(places: range) -> range:
    """Return which samples a pass shows: where it has none, one that counts for nothing there."""
    return places or range(places.start, places.start + 1)


def pass_inputs(batch: Batch, process: Process, config: Config) -> PassInputs:
    """Return what a pass is shown of a batch, and how its losses are measured and weighed."""
    snr_B = process.snr(batch.time_B).double()
    weight_B = config.weights(snr_B, process.prediction is Prediction.V_PREDICTION)
    wide = config.loss_row().wide
    return PassInputs(
        process.mixture(batch.x0_BCHW, batch.shown_BCHW, batch.time_B),
        process.target(batch.x0_BCHW, batch.noise_BCHW, batch.time_B),
        batch.time_B,
        batch.weight_B if weight_B is None else batch.weight_B * weight_B.float(),
        config.widths(snr_B, process.depth(batch.time_B)).float() if wide else None,
        batch.mask_BHW,
        batch.sizes,
        batch.texts,
        batch.preserved,
    )


def _pinned(made: PassInputs) -> PassInputs:
    return made._replace(
        noisy_BCHW=made.noisy_BCHW.pin_memory(),
        target_BCHW=made.target_BCHW.pin_memory(),
        time_B=made.time_B.pin_memory(),
        weight_B=made.weight_B.pin_memory(),
        width_B=None if made.width_B is None else made.width_B.pin_memory(),
        mask_BHW=None if made.mask_BHW is None else made.mask_BHW.pin_memory(),
        sizes={name: one.pin_memory() for name, one in made.sizes.items()},
    )


@contextmanager
def ahead(made: Iterator[T], depth: int, device: str = "cpu") -> Iterator[Iterator[T]]:
    """Return an iterator over what `made` yields, made by a thread up to `depth` beforehand.

    What `made` raises is raised where its turn has come. With the block the thread ends.

    Args:
        depth: 0 makes each where it is asked for.
        device: That the thread prepares for.
    """
    if not depth:
        yield made
        return
    worker = ThreadPoolExecutor(1, initializer=partial(_stand_at, device))
    try:
        yield _each(worker, made, depth)
    finally:
        worker.shutdown(cancel_futures=True)


def _each(worker: ThreadPoolExecutor, made: Iterator[T], depth: int) -> Iterator[T]:
    waiting: deque[Future[T | None]] = deque()
    while True:
        while len(waiting) < depth:
            waiting.append(worker.submit(next, made, None))
        found = waiting.popleft().result()
        if found is None:
            return
        waiting.append(worker.submit(next, made, None))
        yield found


def _stand_at(device: str) -> None:
    """Let a new thread belong to a card of several: each begins at the first one."""
    import torch

    if ":" in device:
        torch.cuda.set_device(device)
