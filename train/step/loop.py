"""The training loop: one function. Knows no family and no file format.

Letters: B batch, C channels, H and W height and width of latents, T timesteps.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from prep.runtime.errors import MachineError
from train.data.batches import Batch, Feed, inputs_digest
from train.data.captions import States
from train.data.order import batches, steps_per_epoch
from train.families.family import Base, Family
from train.families.noise_process import errors, noisy_and_target
from train.step.distributed import Crew
from train.step.optimizer import Learner
from train.step.schedule import learning_rate

if TYPE_CHECKING:
    from torch import Tensor

    from train.families.family import Conditioning

# torch's names of what mixed precision computes in.
HALVES = {"bf16": "bfloat16", "fp16": "float16"}


@dataclass(frozen=True)
class Task:
    """What is trained, on what, and by whom."""

    base: Base
    family: Family
    feed: Feed
    states: States
    crew: Crew


class Step(NamedTuple):
    """What is known of a step that is done.

    Attributes:
        number: From 1.
        loss: Over the whole batch, before the step.
        rate: The learning rate that was used.
        inputs: Digest of keys, texts, timesteps, latents and noise of the whole batch.
    """

    number: int
    loss: float
    rate: float
    inputs: str


def train(
    task: Task, learner: Learner, done: int, steps: int, on_step: Callable[[Step], None]
) -> None:
    """Train the weights of `learner` in place, from step `done` up to `steps`.

    Args:
        done: Steps that the weights have had already.
        on_step: Called after each step; what it raises ends the training.

    Raises:
        MachineError: Loss or gradients are not finite numbers; the weights are those before it.
    """
    config, repeats = task.feed.config, task.feed.data.repeats()
    per_epoch = steps_per_epoch(repeats, config.batch)
    order = batches(repeats, config.batch, config.seed, done)
    for step, keys in enumerate(islice(order, steps - done), done):
        loss, inputs = _gradients(task, learner, keys, step, step // per_epoch)
        if not math.isfinite(loss):
            raise _diverged(f"the loss of step {step + 1} is {loss}")
        rate = learning_rate(step, config, steps)
        if not learner.update(rate):
            raise _diverged(f"the gradients of step {step + 1} are not finite")
        on_step(Step(step + 1, loss, rate, inputs))


def _diverged(message: str) -> MachineError:
    return MachineError(
        message, "train with a lower `--learning-rate`; what was saved before is kept"
    )


def _gradients(
    task: Task, learner: Learner, keys: Sequence[str], step: int, epoch: int
) -> tuple[float, str]:
    """Leave the gradients of a whole step in the weights; return its loss and inputs."""
    import torch

    config, crew = task.feed.config, task.crew
    digests: dict[int, bytes] = {}
    total = torch.zeros((), device=task.base.device)
    for places in crew.passes(len(keys), config.batch, config.accumulate):
        batch = task.feed.batch(keys, step, epoch, places, len(task.base.alpha_bar_T))
        digests |= dict(zip(places, batch.digests, strict=True))
        error_B = _errors(task, batch)
        loss = (error_B * batch.weight_B.to(task.base.device)).sum() / len(keys)
        learner.scaled(loss).backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    used = learner.used()
    crew.sum([*learner.gradients(), used, total])
    learner.leave_alone(used)
    return total.item(), inputs_digest(crew.shared(digests, len(keys)))


def _errors(task: Task, batch: Batch) -> "Tensor":
    """Return the mean squared error of each sample, float32."""
    base = task.base
    noisy_BCHW, target_BCHW = noisy_and_target(
        batch.x0_BCHW, batch.noise_BCHW, base.alpha_bar_T[batch.timestep_B], base.prediction
    )
    with halved(base.device, task.feed.config.precision):
        answer_BCHW = task.family.denoise(
            base.network,
            noisy_BCHW.to(base.device),
            batch.timestep_B.to(base.device),
            stacked(task.states.of(batch.texts), base.device),
        )
    return errors(answer_BCHW.float(), target_BCHW.to(base.device))


def stacked(states: "Sequence[Conditioning]", device: str) -> "Conditioning":
    """Return the conditioning of several texts with a batch axis."""
    import torch

    first: Mapping[str, Tensor] = states[0]
    return {name: torch.stack([state[name] for state in states]).to(device) for name in first}


def halved(device: str, precision: str) -> "AbstractContextManager[None]":
    """Return a block in which torch computes in half precision where the settings say so."""
    import torch

    kind = device.split(":")[0]
    dtype = getattr(torch, HALVES.get(precision, "bfloat16"))
    return torch.autocast(kind, dtype=dtype, enabled=precision in HALVES)
