"""The tensors that an adapter beside LoRA gets for a module: shapes, and first numbers.

Source: LyCORIS 4.1.3, lycoris/modules; its names, shapes and first numbers.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from train.adapters.adapter_kinds import LORA, MAGNITUDE, Shape

if TYPE_CHECKING:
    from torch import Generator, Tensor

# A module's weight, (out, in) or (out, in, height, width) -> the tensors that it gets by name.
ShapesFor = Callable[[Shape], Mapping[str, Shape]]


def factors(size: int, most: int) -> tuple[int, int]:
    """Return two factors of a number, the smaller one first.

    Args:
        most: What the first one is at most, unless this divides the number; -1: as near to the
            square root as can be.

    Source:
        LyCORIS 4.1.3, lycoris/functional/general.py, `factorization`.
    """
    if most > 0 and size % most == 0:
        one = min(most, size // most)
    else:
        fitting = (n for n in range(1, math.isqrt(size) + 1) if size % n == 0)
        one = max(n for n in fitting if most < 0 or n <= max(most, 1))
    return one, size // one


def loha(shape: Shape, rank: int) -> dict[str, Shape]:
    """Return what a LoHa has: two products of rank `rank`."""
    out, inner = shape[0], math.prod(shape[1:])
    return {
        f"hada_w{number}_{part}": size
        for number in (1, 2)
        for part, size in (("a", (out, rank)), ("b", (rank, inner)))
    }


def lokr(shape: Shape, rank: int, factor: int, both: bool) -> dict[str, Shape]:
    """Return what a LoKr has: a small factor, and a large one that is a product where it is large.

    Args:
        factor: Of the small factor's sides, at most; -1: as near to the square root as can be.
        both: Whether the small factor is a product, too, where it is large.
    """
    (out, in_, *kernel) = shape
    (out_1, out_2), (in_1, in_2) = factors(out, factor), factors(in_, factor)
    found: dict[str, Shape] = {"lokr_w1": (out_1, in_1)}
    if both and rank < max(out_1, in_1) / 2:
        found = {"lokr_w1_a": (out_1, rank), "lokr_w1_b": (rank, in_1)}
    if rank < max(out_2, in_2) / 2:
        wide = in_2 * math.prod(kernel)
        return found | {"lokr_w2_a": (out_2, rank), "lokr_w2_b": (rank, wide)}
    return found | {"lokr_w2": (out_2, in_2, *kernel)}


def oft(shape: Shape, width: int) -> dict[str, Shape]:
    """Return what an OFT has: a matrix for each block of outputs, at most `width` wide."""
    block, count = factors(shape[0], width)
    return {"oft_blocks": (count, block, block)}


def dora(shape: Shape, rank: int, of_inputs: bool) -> dict[str, Shape]:
    """Return what a DoRA has: a pair of a LoRA, and a magnitude for each input or output."""
    (out, in_, *kernel) = shape
    flat = [1] * len(kernel)
    magnitude = (1, in_, *flat) if of_inputs else (out, 1, *flat)
    return {LORA[0]: (rank, in_, *kernel), LORA[1]: (out, rank, *flat), MAGNITUDE: magnitude}


def first(name: str, shape: Shape, generator: "Generator") -> "Tensor":
    """Return the first numbers of a tensor, float32 on the CPU: together they change nothing yet.

    Those of a magnitude are the lengths that the weight has: `adapted_layers` sets them.
    """
    import torch

    made = torch.zeros(shape)
    if name in _NORMAL:
        made.normal_(std=_NORMAL[name], generator=generator)
    elif name in _UNIFORM:
        torch.nn.init.kaiming_uniform_(made, a=math.sqrt(5), generator=generator)
    return made


_NORMAL: Mapping[str, float] = {"hada_w1_a": 0.1, "hada_w1_b": 1.0, "hada_w2_b": 1.0}
_UNIFORM = ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2_a", LORA[0])
