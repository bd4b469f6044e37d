"""The training loop: one function. Knows no family and no file format.

Letters: B batch, C channels, H and W height and width of latents, T timesteps.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from prep.models.devices import moved
from prep.runtime.errors import MachineError
from train.adapters.lora_dropout import Showing, no_dropout
from train.data.batches import Batches, inputs_digest
from train.data.text_states import TextCache
from train.families.family import Base, Family
from train.loss_rows import errors
from train.step.distributed import Processes
from train.step.later import Later
from train.step.precision import halved
from train.step.schedule import learning_rate
from train.step.shards import is_split
from train.step.step_inputs import PassInputs, StepInputs, ahead, coming_steps, shown_places
from train.step.trainer import Trainer

if TYPE_CHECKING:
    from torch import Tensor

    from train.families.family import Conditioning


class Pace(NamedTuple):
    """How far the host is before and behind the device; no bit depends on it.

    Attributes:
        ahead: Steps whose inputs are prepared before they are taken.
        behind: Steps that may be taken before the loss of one is read.
    """

    ahead: int = 0
    behind: int = 0


AT_ONCE = Pace()


def pace_of(processes: Processes) -> Pace:
    """Return the pace for a device: there is nothing to gain on a CPU.

    Of several processes each reads every step at once: they stop and save together.
    """
    if processes.device == "cpu":
        return AT_ONCE
    return Pace(2, 1 if processes.count == 1 else 0)


@dataclass(frozen=True)
class Training:
    """What is trained, on what, and by whom.

    Attributes:
        alone: Returns a block in which the base model is as it was before it learned.
        showing: (step, places of its samples) -> a block in which a pass is shown them.
    """

    base: Base
    family: Family
    batches: Batches
    states: TextCache
    processes: Processes
    pace: Pace = AT_ONCE
    alone: Callable[[], AbstractContextManager[None]] = nullcontext
    showing: Showing = no_dropout


class ShownLoss(NamedTuple):
    """The loss of one showing of a sample, before what it weighs.

    Attributes:
        time: As the network is given it.
    """

    key: str
    time: float
    loss: float


class Step(NamedTuple):
    """What is known of a step that is done.

    Attributes:
        number: From 1.
        loss: Mean over all samples of the step, before it.
        rate: The learning rate that was used; see `Trainer.rate`.
        inputs: Digest of keys, texts, timesteps, latents and noise of all samples.
        newest: Whether the weights are those after it: no later one was begun.
        each: Of every showing.
    """

    number: int
    loss: float
    rate: float | None
    inputs: str
    newest: bool = True
    each: tuple[ShownLoss, ...] = ()


class _Taken(NamedTuple):
    """A step that is taken and not yet read: `Step`, with loss and finiteness still to come."""

    number: int
    found: Later
    rate: float | None
    inputs: str
    precision: str
    keys: tuple[str, ...]

    def step(self, newest: bool) -> Step:
        """Wait for what is to come.

        Raises:
            MachineError: Loss or gradients are not finite numbers.
        """
        loss, good, *each = self.found.read()
        if not math.isfinite(loss):
            raise _diverged(f"the loss of step {self.number} is {loss}", self.precision)
        if not good:
            told = f"the gradients of step {self.number} are not finite"
            raise _diverged(told, self.precision)
        count = len(self.keys)
        shown = tuple(map(ShownLoss, self.keys, each[:count], each[count:]))
        return Step(self.number, loss, self.rate, self.inputs, newest, shown)


def train(
    training: Training,
    trainer: Trainer,
    done: int,
    steps: int,
    on_step: Callable[[Step], None],
    *,
    at_once: Callable[[int], bool] = lambda number: False,
) -> None:
    """Train the weights of `trainer` in place, from step `done` up to `steps`.

    Args:
        done: Steps that the weights have had already.
        on_step: Called after each step, in order; what it raises ends the training.
        at_once: Whether `on_step` has to see a step before the next one is begun.

    Raises:
        MachineError: Loss or gradients are not finite numbers; the weights are those before it,
            or, in float16, after the steps behind it that were taken already.
    """
    base, config, pace = training.base, training.batches.config, training.pace
    made = coming_steps(training.batches, base.process, training.processes, done, steps)
    taken: deque[_Taken] = deque()
    with ahead(made, pace.ahead, base.device) as coming:
        for step, inputs in enumerate(coming, done):
            loss, each_2N = _gradients(training, trainer, inputs, step)
            rate_at = partial(learning_rate, step, config=config, steps=steps)
            good = trainer.update(rate_at, loss, wait=not pace.behind)
            digest = inputs_digest(training.processes.shared(inputs.digests, len(inputs.keys)))
            found = Later(loss, good, each_2N)
            taken.append(
                _Taken(step + 1, found, trainer.rate(), digest, config.precision, inputs.keys)
            )
            left = 0 if step + 1 == steps or at_once(step + 1) else pace.behind
            while len(taken) > left:
                on_step(taken.popleft().step(newest=not taken))


def _diverged(message: str, precision: str) -> MachineError:
    if precision == "fp16":
        wide = "numbers over 65504 do not fit fp16: train with `--precision bf16` or `fp32`"
        return MachineError(message, f"{wide}, or with a lower `--learning-rate`")
    return MachineError(
        message, "train with a lower `--learning-rate`; what was saved before is kept"
    )


def _gradients(
    training: Training, trainer: Trainer, inputs: StepInputs, step: int
) -> "tuple[Tensor, Tensor]":
    """Leave the gradients of a whole step in the weights.

    Each sample counts alike, whatever the size of its batch.

    Returns:
        The loss of the step, and of each sample its time and its loss without weight, shape
        (2, N); on the device.
    """
    import torch

    processes = training.processes
    device, samples = training.base.device, len(inputs.keys)
    total, each_2N = torch.zeros((), device=device), torch.zeros((2, samples), device=device)
    for one in inputs.passes:
        weight_B, here = moved(one.weight_B, device), slice(one.places.start, one.places.stop)
        with training.showing(step, shown_places(one.places)):
            own_B = losses_of(training, one)
            each_2N[0, here] = moved(one.time_B, device)
            each_2N[1, here] = own_B.detach()
            for error_B in chain([own_B], _lost(training, one)):
                loss = (error_B * weight_B).sum() / samples
                trainer.scaled(loss).backward()  # type: ignore[no-untyped-call]
                total += loss.detach()
    if processes.count > 1:
        used = trainer.used()
        own = [one for one in trainer.gradients() if not is_split(one)]
        processes.sum([*own, used, total, each_2N])
        trainer.leave_alone(used)
    return total, each_2N


def losses_of(training: Training, shown: PassInputs) -> "Tensor":
    """Return the mean loss of each sample of a pass, without what it weighs, float32."""
    target_BCHW = moved(shown.target_BCHW, training.base.device)
    return _errors(training, shown, shown.texts, target_BCHW, shown.mask_BHW)


def _lost(training: Training, shown: PassInputs) -> "Iterator[Tensor]":
    """Yield what each sample has lost of the base model, once for each way to preserve it.

    Each is yielded where the one before it is done with: graphs of two never stand at once.
    """
    import torch

    for texts, weights in shown.preserved:
        with training.alone(), torch.no_grad():
            own_BCHW = _answer(training, shown, texts)
        weight_B = torch.tensor(weights, device=training.base.device)
        yield _errors(training, shown, texts, own_BCHW) * weight_B


def _errors(
    training: Training,
    shown: PassInputs,
    texts: Sequence[str],
    target_BCHW: "Tensor",
    mask_BHW: "Tensor | None" = None,
) -> "Tensor":
    device, loss = training.base.device, training.batches.config.loss_row()
    width_B = None if shown.width_B is None else moved(shown.width_B, device)
    mask_BHW = None if mask_BHW is None else moved(mask_BHW, device)
    return errors(_answer(training, shown, texts), target_BCHW, loss, width_B, mask_BHW)


def _answer(training: Training, shown: PassInputs, texts: Sequence[str]) -> "Tensor":
    """Return what the network says of what it is shown with some texts, BCHW, float32."""
    base, precision = training.base, training.batches.config.precision
    with halved(base.device, precision):
        return training.family.denoise(
            base.network,
            moved(shown.noisy_BCHW, base.device),
            moved(shown.time_B, base.device),
            stacked(training.states.of(texts), base.device, shown.sizes),
        ).float()


def stacked(
    states: "Sequence[Conditioning]", device: str, sizes: "Mapping[str, Tensor] | None" = None
) -> "Conditioning":
    """Return the conditioning of several texts with a batch axis, and what is told of sizes."""
    import torch

    alike = len({one.device for state in states for one in state.values()}) == 1
    each = states if alike else [_all_moved(state, device) for state in states]
    first: Mapping[str, Tensor] = each[0]
    joined = {name: torch.stack([state[name] for state in each]) for name in first}
    return _all_moved(joined | dict(sizes or {}), device)


def _all_moved(tensors: "Conditioning", device: str) -> "Conditioning":
    return {name: moved(one, device) for name, one in tensors.items()}
