"""The loss of pictures at noise and timesteps that are always the same, so that it compares.

Between two steps of a training only the weights differ; between two pictures of a size only what
they show: text, time, noise and the order of passes are the same.

Letters: B batch, C channels, H and W height and width of latents.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from train.data.batches import Batch, Batches
from train.data.captions import whole_texts
from train.data.dataset import TrainingSample
from train.data.order import normal
from train.families.noise_process import Process
from train.step.compiled import uncompiled
from train.step.loop import Training, losses_of
from train.step.step_inputs import pass_inputs

if TYPE_CHECKING:
    from torch import Tensor

TIMES = 4  # that each picture is measured at
_DRAWN = 255  # times that their quantiles are taken of
_CELLS = (64, 64)  # latents of the pictures whose times they are, where a size decides it
_PURPOSE = "fixed noise"


def times(process: Process, batches: Batches) -> list[float]:
    """Return the times: quantiles of those that this training draws, of pictures of one size."""
    density = batches.config.density("", _CELLS)
    drawn = sorted(process.time(0, step, 0, density) for step in range(_DRAWN))
    return [drawn[(2 * n + 1) * _DRAWN // (2 * TIMES)] for n in range(TIMES)]


def losses_at_fixed_noise(
    training: Training, samples: Mapping[str, TrainingSample], *, textless: bool = False
) -> dict[str, list[float]]:
    """Return the loss of each sample at each of the times, without what it weighs.

    It leaves no trace in the training.

    Args:
        textless: Whether they are shown without any text.
    """
    import torch

    if not samples:
        return {}
    found: dict[str, list[float]] = {key: [] for key in samples}
    process, config = training.base.process, training.batches.config
    with uncompiled(config.compile), torch.no_grad(), training.base.reading():
        for number, time in enumerate(times(process, training.batches)):
            for keys in _passes(samples, config.batch):
                batch = _batch(training, [samples[key] for key in keys], number, time)
                if textless:
                    batch = batch._replace(texts=("",) * len(keys))
                loss_B = losses_of(training, pass_inputs(batch, process, config))
                for key, loss in zip(keys, loss_B.tolist(), strict=True):
                    found[key].append(loss)
    return found


def _passes(samples: Mapping[str, TrainingSample], most: int) -> Iterator[list[str]]:
    """Yield the keys of samples of one bucket, at most so many together, in a fixed order."""
    buckets: dict[tuple[int, int], list[str]] = {}
    for key in sorted(samples):
        buckets.setdefault(samples[key].bucket, []).append(key)
    for _, keys in sorted(buckets.items()):
        for first in range(0, len(keys), most):
            yield keys[first : first + most]


def _batch(
    training: Training, samples: Sequence[TrainingSample], number: int, time: float
) -> Batch:
    """Return samples at one time, all with the same noise; their latents are means."""
    import torch

    x0_BCHW = torch.stack([training.batches.mean(one) for one in samples])
    noise_CHW: Tensor = normal(0, _PURPOSE, number, 0, tuple(x0_BCHW.shape[1:]))
    noise_BCHW = noise_CHW.expand_as(x0_BCHW)
    return Batch(
        x0_BCHW,
        noise_BCHW,
        noise_BCHW,
        training.base.process.times([time] * len(samples)),
        tuple(whole_texts(one, training.batches.config)[0] for one in samples),
        torch.ones(len(samples)),
        (),
        training.batches.told([one.sizes for one in samples]),
    )
