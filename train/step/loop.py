"""The training loop: one function. Knows no family and no file format.

Letters: B batch, C channels, H and W height and width of latents, T timesteps.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from prep.runtime.errors import MachineError
from train.data.batches import Batch, Batches, inputs_digest
from train.data.order import step_order, steps_per_epoch
from train.data.text_states import TextCache
from train.families.family import Base, Family
from train.families.noise_process import errors
from train.step.distributed import Processes
from train.step.precision import halved
from train.step.schedule import learning_rate
from train.step.trainer import Trainer

if TYPE_CHECKING:
    from torch import Tensor

    from train.families.family import Conditioning


@dataclass(frozen=True)
class Training:
    """What is trained, on what, and by whom."""

    base: Base
    family: Family
    batches: Batches
    states: TextCache
    processes: Processes


class Step(NamedTuple):
    """What is known of a step that is done.

    Attributes:
        number: From 1.
        loss: Mean over all samples of the step, before it.
        rate: The learning rate that was used; see `Trainer.rate`.
        inputs: Digest of keys, texts, timesteps, latents and noise of all samples.
    """

    number: int
    loss: float
    rate: float | None
    inputs: str


def train(
    training: Training, trainer: Trainer, done: int, steps: int, on_step: Callable[[Step], None]
) -> None:
    """Train the weights of `trainer` in place, from step `done` up to `steps`.

    Args:
        done: Steps that the weights have had already.
        on_step: Called after each step; what it raises ends the training.

    Raises:
        MachineError: Loss or gradients are not finite numbers; the weights are those before it.
    """
    config, repeats = training.batches.config, training.batches.data.repeats()
    per_epoch = steps_per_epoch(repeats, config.batch, config.accumulate)
    order = step_order(repeats, config.batch, config.accumulate, config.seed, done)
    for step, each in enumerate(islice(order, steps - done), done):
        loss, inputs = _gradients(training, trainer, each, step, step // per_epoch)
        if not math.isfinite(loss):
            raise _diverged(f"the loss of step {step + 1} is {loss}")
        if not trainer.update(partial(learning_rate, step, config=config, steps=steps)):
            raise _diverged(f"the gradients of step {step + 1} are not finite")
        on_step(Step(step + 1, loss, trainer.rate(), inputs))


def _diverged(message: str) -> MachineError:
    return MachineError(
        message, "train with a lower `--learning-rate`; what was saved before is kept"
    )


def _gradients(
    training: Training, trainer: Trainer, each: Sequence[Sequence[str]], step: int, epoch: int
) -> tuple[float, str]:
    """Leave the gradients of a whole step in the weights; return its loss and inputs.

    Each sample counts alike, whatever the size of its batch.

    Args:
        each: The batches of the step.
    """
    import torch

    processes, keys = training.processes, [*chain(*each)]
    digests: dict[int, bytes] = {}
    total = torch.zeros((), device=training.base.device)
    for places in processes.passes([len(some) for some in each]):
        batch = training.batches.batch(keys, step, epoch, places, training.base.process)
        digests |= dict(zip(places, batch.digests, strict=True))
        error_B = _errors(training, batch)
        loss = (error_B * batch.weight_B.to(training.base.device)).sum() / len(keys)
        trainer.scaled(loss).backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    used = trainer.used()
    processes.sum([*trainer.gradients(), used, total])
    trainer.leave_alone(used)
    return total.item(), inputs_digest(processes.shared(digests, len(keys)))


def _errors(training: Training, batch: Batch) -> "Tensor":
    """Return the mean squared error of each sample, float32."""
    base = training.base
    drawn = (batch.x0_BCHW, batch.noise_BCHW, batch.time_B)
    noisy_BCHW, target_BCHW = base.process.mixture(*drawn), base.process.target(*drawn)
    with halved(base.device, training.batches.config.precision):
        answer_BCHW = training.family.denoise(
            base.network,
            noisy_BCHW.to(base.device),
            batch.time_B.to(base.device),
            stacked(training.states.of(batch.texts), base.device, batch.sizes),
        )
    return errors(answer_BCHW.float(), target_BCHW.to(base.device))


def stacked(
    states: "Sequence[Conditioning]", device: str, sizes: "Mapping[str, Tensor] | None" = None
) -> "Conditioning":
    """Return the conditioning of several texts with a batch axis, and what is told of sizes."""
    import torch

    first: Mapping[str, Tensor] = states[0]
    joined = {name: torch.stack([state[name] for state in states]) for name in first}
    return {name: one.to(device) for name, one in (joined | dict(sizes or {})).items()}
