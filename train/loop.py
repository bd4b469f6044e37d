"""The training loop: one function, and what makes a batch. Knows no family and no file format.

Letters: B batch, C channels, H and W height and width of latents, T timesteps.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from prep import vae
from prep.errors import MachineError
from train.config import Config
from train.data import Data
from train.family import Base, Family
from train.objective import loss, noisy_and_target
from train.order import batches, normal, timestep

if TYPE_CHECKING:
    from torch import Tensor

    from train.family import Conditioning


@dataclass(frozen=True)
class Feed:
    """What batches are made of.

    Attributes:
        states: Text -> its conditioning, without a batch axis.
        scale: Latents are multiplied by this, after `shift` is subtracted.
    """

    data: Data
    states: "Mapping[str, Conditioning]"
    scale: float
    shift: float


class Batch(NamedTuple):
    """One step's input, on the CPU: clean scaled latents, noise, timesteps, texts, loss weights."""

    x0_BCHW: "Tensor"
    noise_BCHW: "Tensor"
    timestep_B: "Tensor"
    conditioning: "Conditioning"
    weight_B: "Tensor"


def batch_of(feed: Feed, keys: tuple[str, ...], step: int, seed: int, timesteps: int) -> Batch:
    """Return the input of one step: the same for the same step, whatever came before it."""
    import torch

    lessons = [feed.data.lessons[key] for key in keys]
    clean: list[Tensor] = []
    for place, lesson in enumerate(lessons):
        mean, logvar = vae.load(lesson.latents)
        drawn = mean + (0.5 * logvar).exp() * normal(seed, "posterior", step, place, mean.shape)
        clean.append((drawn - feed.shift) * feed.scale)
    x0_BCHW = torch.stack(clean)
    places = range(len(keys))  # indices in the global batch: no process or micro-batch in them
    noise = [normal(seed, "noise", step, n, tuple(x0_BCHW.shape[1:])) for n in places]
    states = [feed.states[lesson.text] for lesson in lessons]
    return Batch(
        x0_BCHW,
        torch.stack(noise),
        torch.tensor([timestep(seed, step, n, timesteps) for n in places]),
        {name: torch.stack([state[name] for state in states]) for name in states[0]},
        torch.tensor([lesson.weight for lesson in lessons]),
    )


def live(base: Base, family: Family, feed: Feed, keys: tuple[str, ...]) -> Feed:
    """Return the feed with the states of these samples' texts as a learning encoder has them."""
    texts = sorted({feed.data.lessons[key].text for key in keys})
    return replace(feed, states=dict(zip(texts, family.encode(base, texts), strict=True)))


def train(
    base: Base,
    family: Family,
    feed: Feed,
    config: Config,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Train the adapter of `base.network` in place.

    Args:
        on_step: Called after each step with its number, from 1, and its loss.

    Raises:
        MachineError: The loss is not a finite number any more; nothing is worth keeping.
    """
    import torch

    weights = list(base.learning().values())
    optimizer = torch.optim.AdamW(weights, lr=config.learning_rate)
    order = batches(feed.data.repeats(), config.batch, config.seed)
    timesteps = len(base.alpha_bar_T)
    for step, keys in enumerate(islice(order, config.steps)):
        known = live(base, family, feed, keys) if base.text_learns() else feed
        batch = batch_of(known, keys, step, config.seed, timesteps)
        alpha_bar_B = base.alpha_bar_T[batch.timestep_B]
        noisy_BCHW, target_BCHW = noisy_and_target(
            batch.x0_BCHW, batch.noise_BCHW, alpha_bar_B, base.prediction
        )
        answer_BCHW = family.denoise(
            base.network,
            noisy_BCHW.to(base.device),
            batch.timestep_B.to(base.device),
            {name: state.to(base.device) for name, state in batch.conditioning.items()},
        )
        total = loss(answer_BCHW, target_BCHW.to(base.device), batch.weight_B.to(base.device))
        value = total.item()
        if not total.isfinite():
            raise MachineError(
                f"the loss of step {step + 1} is {value}", "train with a lower `--learning-rate`"
            )
        optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        on_step(step + 1, value)
