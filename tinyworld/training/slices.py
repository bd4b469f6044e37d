"""Train one module in slices: whoever stops it loses at most the steps since the last save.

Everything random is computed from (seed, purpose, step), so that a run that was stopped goes on
as if it had not been.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Plan:
    """How long and how fast a module learns.

    Attributes:
        steps: Optimizer steps in all.
        rate: Highest learning rate; it rises over `warmup` steps and falls to a hundredth of it
            along a half cosine.
        average: Decay of the moving average of the weights, which is what is kept in the end.
    """

    steps: int
    rate: float
    warmup: int = 200
    average: float = 0.999
    save_every: int = 250
    seed: int = 7


def rate_at(plan: Plan, step: int) -> float:
    """Return the learning rate of a step, counted from 0."""
    rising = min(1.0, (step + 1) / plan.warmup)
    falling = 0.5 * (1 + math.cos(math.pi * step / plan.steps))
    return plan.rate * rising * (0.01 + 0.99 * falling)


def learn(
    module: "nn.Module",
    loss_of: "Callable[[int], Tensor]",
    plan: Plan,
    save: Path,
    tell: Callable[[str], None] = print,
) -> None:
    """Train `module` until its plan is done; leave the averaged weights in it.

    Args:
        module: Learns in place.
        loss_of: Step -> loss; all its randomness has to follow from the step.
        plan: How long and how fast.
        save: File that holds the state of the last save; where there is one, it is gone on from.
        tell: Is given one line now and then.
    """
    import torch

    weights = [weight for weight in module.parameters() if weight.requires_grad]
    average = [weight.detach().clone() for weight in weights]
    optimizer = torch.optim.AdamW(weights, plan.rate, betas=(0.9, 0.99), weight_decay=0.01)
    first = _resumed(save, weights, average, optimizer)
    begun, told = time.monotonic(), 0.0
    for step in range(first, plan.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(plan, step)
        loss = loss_of(step)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        decay = min(plan.average, (1 + step) / (10 + step))
        torch._foreach_lerp_(average, [weight.detach() for weight in weights], 1 - decay)
        told = loss.item() if not told else 0.98 * told + 0.02 * loss.item()
        if (step + 1) % plan.save_every == 0 or step + 1 == plan.steps:
            _save(save, weights, average, optimizer, step + 1)
            each = (time.monotonic() - begun) / (step + 1 - first)
            tell(f"step {step + 1} of {plan.steps}: loss {told:.4f}, {each:.3f} s a step")
    with torch.no_grad():
        for weight, mean in zip(weights, average, strict=True):
            weight.copy_(mean)


def _save(save: Path, weights: Any, average: Any, optimizer: Any, step: int) -> None:
    import torch

    state = {
        "weights": weights, "average": average, "optimizer": optimizer.state_dict(), "step": step,
    }  # fmt: skip
    save.parent.mkdir(parents=True, exist_ok=True)
    beside = save.with_name(f"{save.name}.new")
    torch.save(state, beside)
    beside.replace(save)


def _resumed(save: Path, weights: Any, average: Any, optimizer: Any) -> int:
    """Load the last save, if there is one; return the step to go on with."""
    import torch

    if not save.exists():
        return 0
    state = torch.load(save, map_location=weights[0].device, weights_only=True)
    with torch.no_grad():
        for kind, ours in (("weights", weights), ("average", average)):
            for mine, saved in zip(ours, state[kind], strict=True):
                mine.copy_(saved)
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
