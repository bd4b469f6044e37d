"""How much memory a training takes on its device: counted on fake tensors, nothing is allocated.

The training's own code runs on them: its adapters, its encoding of texts, a forward and a backward
pass, and a picture where some are drawn on the way.
"""

from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from train.config import CHUNK_TOKENS, Config
from train.families.family import Base, Family, PictureSizes
from train.loss_rows import errors
from train.methods import method_named
from train.run.fake_tensors import allocations, placed
from train.step.kernels import checkpoint_activations, kernels
from train.step.loop import stacked
from train.step.precision import halved, keep_halved

if TYPE_CHECKING:
    from torch import Tensor, nn

    from train.families.family import Conditioning


@dataclass(frozen=True)
class PassShape:
    """The largest pass of a training, and the largest picture that it draws.

    Attributes:
        batch: Its samples.
        size: (width, height) of their pictures, px.
        chunks: Into how many chunks of 75 tokens their texts are cut.
        ahead: Whether texts that do not learn are read before it, and their encoders put away.
        drawn: (width, height) of a picture that is drawn on the way, px; None where none is.
    """

    batch: int
    size: tuple[int, int]
    chunks: int = 1
    ahead: bool = True
    drawn: tuple[int, int] | None = None


@dataclass(frozen=True)
class Forecast:
    """Bytes on the device.

    Attributes:
        weights: Of all that is used while training, adapters among them.
        learning: Gradients, and what the optimizer remembers.
        activations: What the forward pass leaves for the backward pass.
        peak: The most at once. On the CPU text encoders that were put away are still among it.
        on_card: The most at once on a GPU.
    """

    weights: int
    learning: int
    activations: int
    peak: int
    on_card: int


def attached(base: Base, family: Family, config: Config, device: str) -> Base:
    """Return a base model of the meta device as if it were on `device`, with what learns in it.

    Args:
        base: As `Outline` has it: its modules change.
    """
    for module in (base.network, *base.encoders.values(), *base.frozen.values()):
        module.requires_grad_(False).eval()
    base.network.train()
    method_named(config.method).attach(base, family, config)
    keep_halved(base.learning().values(), config.full())
    return replace(base, device=device)


def forecast(
    base: Base, family: Family, config: Config, shape: PassShape, vae: "nn.Module | None" = None
) -> Forecast:
    """Return what a training takes on `base.device`; no weight is read or made.

    Args:
        base: As `attached` returned it, for settings of the same adapter.
        vae: On the meta device; needed where pictures are drawn.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    dtype = method_named(config.method).precision(config)
    time_B = base.process.times(base.process.falling(1) * shape.batch)
    kind = base.device.split(":")[0]
    checkpoint_activations(base, config.gradient_checkpointing)
    with (
        kernels(kind, config.attention),
        FakeTensorMode(allow_non_fake_inputs=True),
        allocations(kind) as count,
        placed([base.network], kind, dtype),
        ExitStack() as texts,
    ):
        texts.enter_context(placed([*base.encoders.values(), *base.frozen.values()], kind, dtype))
        weights = count.now
        with halved(base.device, config.precision):
            states = _states(base, family, config, shape)
        away = 0
        if not base.text_learns():
            if shape.ahead:
                texts.close()
            away, weights = weights - count.now, count.now
        learn = sum(weight.nbytes for weight in base.learning().values())
        remembered = round(learn * config.row().kept)
        if config.ema:  # float32, whatever the weights are
            remembered += 4 * sum(weight.numel() for weight in base.learning().values())
        reading, count.peak = count.peak, count.now
        target_BCHW = _latents(base, family, shape.batch, shape.size)
        answer_BCHW = _answer(base, family, config, shape, (states, time_B))
        loss = _loss(config, answer_BCHW, target_BCHW, time_B)
        activations = count.now - weights
        loss.backward()  # type: ignore[no-untyped-call]
        steps = [count.peak + remembered]
        del loss, answer_BCHW, target_BCHW
        if config.own_answers():
            count.peak = count.now
            _preserve(base, family, config, shape, (states, time_B))
            steps.append(count.peak + remembered)
        del states
        for weight in base.learning().values():
            weight.grad = None
        if shape.drawn and vae is not None:
            count.peak = count.now
            with placed([vae], kind, "float32"):
                _draw(base, family, vae, shape.drawn)
            steps.append(count.peak + remembered)
    still = max(away, 0) if kind == "cpu" else 0
    most = max(reading, still + max(steps))
    return Forecast(weights, learn + remembered, activations, most, max(reading, *steps))


def _states(base: Base, family: Family, config: Config, shape: PassShape) -> "list[Conditioning]":
    """Return the states of texts that fill their chunks."""
    text = "a " * CHUNK_TOKENS * shape.chunks
    return family.encode(base, [text] * shape.batch, config.clip_skip, shape.chunks)


def _answer(
    base: Base,
    family: Family,
    config: Config,
    shape: PassShape,
    shown: "tuple[Sequence[Conditioning], Tensor]",
) -> "Tensor":
    """Return what the network says of latents in one pass, float32.

    Args:
        shown: States of texts, and timesteps: what a pass takes does not depend on which.
    """
    states, time_B = shown
    told = family.told([PictureSizes(shape.size, (0, 0), shape.size)] * shape.batch)
    with halved(base.device, config.precision):
        return family.denoise(
            base.network,
            _latents(base, family, shape.batch, shape.size),
            time_B.to(base.device),
            stacked(states, base.device, told),
        ).float()


def _loss(
    config: Config, answer_BCHW: "Tensor", wanted_BCHW: "Tensor", time_B: "Tensor"
) -> "Tensor":
    """Return the loss of one pass: its graph holds what the backward pass needs."""
    loss = config.loss_row()
    width_B = time_B.to(answer_BCHW.device) if loss.wide else None
    return errors(answer_BCHW, wanted_BCHW, loss, width_B).sum()


def _preserve(
    base: Base,
    family: Family,
    config: Config,
    shape: PassShape,
    shown: "tuple[Sequence[Conditioning], Tensor]",
) -> None:
    """Take the pass that keeps the base model's own answers, and the one that asks for them."""
    import torch

    states, time_B = shown

    def read() -> "Sequence[Conditioning]":
        if not base.text_learns():
            return states
        with halved(base.device, config.precision):
            return _states(base, family, config, shape)

    alone = method_named(config.method).alone or nullcontext
    with alone(base), torch.no_grad():
        own_BCHW = _answer(base, family, config, shape, (read(), time_B))
    answer_BCHW = _answer(base, family, config, shape, (read(), time_B))
    loss = _loss(config, answer_BCHW, own_BCHW, time_B)
    loss.backward()  # type: ignore[no-untyped-call]


def _draw(base: Base, family: Family, vae: Any, size: tuple[int, int]) -> None:
    """Decode one picture of a size (width, height) in px."""
    import torch

    with torch.no_grad():
        vae.decode(_latents(base, family, 1, size))


def _latents(base: Base, family: Family, count: int, size: tuple[int, int]) -> "Tensor":
    """Return latents, shape BCHW, of pictures of a size (width, height) in px."""
    import torch

    space = family.space
    width, height = (side // space.factor for side in size)
    return torch.empty((count, space.channels, height, width), device=base.device)
