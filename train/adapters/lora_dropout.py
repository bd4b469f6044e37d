"""Dropout of a LoRA: which of its inner numbers a showing leaves out, told by step and sample.

A mask is computed from (seed, module, step, place of the sample) and never carried: a resumed
training, several processes and activations that are computed twice see the same ones.

Source: kohya-ss/sd-scripts (commit 48d368fa), networks/lora.py, `LoRAModule.forward`: what it draws
from torch's one generator once for a batch, modules above all, each sample has of its own here.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from train.adapters.lora_layers import ADAPTER, layers
from train.families.family import Base
from train.generators import generator_for

if TYPE_CHECKING:
    from torch import Generator, Tensor

MOST_DROPOUT = 0.99
# (step, places of the samples in it) -> a block in which they are what the network is shown.
Showing = Callable[[int, Sequence[int]], AbstractContextManager[None]]


class Shares(NamedTuple):
    """How much is left out, each from 0 up to, and without, 1.

    Attributes:
        numbers: Of what the down weight answers, number by number; the others grow by as much.
        ranks: Of the inner width, a rank for the whole picture; the others grow by as much.
        modules: Of the modules: their LoRA answers nothing, and none grows.
    """

    numbers: float
    ranks: float
    modules: float


@dataclass
class _Shown:
    """What the network is shown now.

    Attributes:
        places: Of the samples; empty outside of a training's passes, where nothing is left out.
    """

    step: int = 0
    places: tuple[int, ...] = ()


def no_dropout(_step: int, _places: Sequence[int]) -> AbstractContextManager[None]:
    """Return a block in which nothing is left out."""
    return nullcontext()


def dropout(base: Base, shares: Shares, seed: int) -> Showing:
    """Let the LoRA of a base model leave out a share of itself in the blocks that are returned.

    Texts of a step that learn share one mask: an encoder reads each text once, whoever has it.
    """
    shown = _Shown()
    for name, layer in layers(base):
        alike = any(name.startswith(f"{part}.") for part in base.encoders)
        mask = partial(_mask, shares, partial(generator_for, seed, "dropout", name))
        layer.lora_A[ADAPTER].register_forward_hook(_Module(shown, mask, alike).after)

    @contextmanager
    def showing(step: int, places: Sequence[int]) -> Iterator[None]:
        shown.step, shown.places = step, tuple(places)
        try:
            yield
        finally:
            shown.places = ()

    return showing


@dataclass(frozen=True)
class _Module:
    """The LoRA of one module.

    Attributes:
        mask: (what decides it, size of an answer, axis of its ranks) -> see `_mask`.
        alike: Whether all samples of a step have one mask.
    """

    shown: _Shown
    mask: "Callable[[tuple[int, ...], tuple[int, ...], int], Tensor]"
    alike: bool

    def after(self, _layer: Any, _given: Any, answer: "Tensor") -> "Tensor":
        """Return what the down weight answers without what is left out."""
        import torch

        if not self.shown.places:
            return answer
        axis = 1 if answer.ndim == 4 else answer.ndim - 1
        size, step = tuple(answer.shape[1:]), self.shown.step
        each = [(step,)] if self.alike else [(step, place) for place in self.shown.places]
        masks = torch.stack([self.mask(of, size, axis - 1) for of in each])
        return answer * masks.to(answer)


def _mask(
    shares: Shares,
    generator: "Callable[..., Generator]",
    of: tuple[int, ...],
    size: tuple[int, ...],
    axis: int,
) -> "Tensor":
    """Return what the answer for one sample is multiplied by, float32 on the CPU.

    Args:
        of: What decides it, beside seed and module.
        size: Of the answer, without a batch axis.
        axis: Of its ranks.
    """
    import torch

    chance = generator(*of)
    module, rank = torch.rand(1, generator=chance), torch.rand(size[axis], generator=chance)
    found = (module >= shares.modules) * (rank >= shares.ranks) / (1 - shares.ranks)
    shape = [1] * len(size)
    shape[axis] = size[axis]
    found = found.reshape(shape)
    if shares.numbers:
        kept = torch.rand(size, generator=chance) >= shares.numbers
        found = found * kept / (1 - shares.numbers)
    return found
