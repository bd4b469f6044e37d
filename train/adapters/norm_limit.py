"""The longest that the change of a module's weight by a LoRA may be.

Source: kohya-ss/sd-scripts (commit 48d368fa), networks/lora.py, `apply_max_norm_regularization`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from train.adapters.lora_layers import ADAPTER, layers
from train.families.family import Base


def norm_limit(base: Base, most: float) -> Callable[[], None]:
    """Return what keeps the changes of a base model's LoRA short; see `_shorten`.

    Args:
        most: The longest norm.
    """
    return partial(_shorten, [layer for _, layer in layers(base)], most)


def _shorten(each: Sequence[Any], most: float) -> None:
    """Shorten both weights of each pair by one factor where scale * up @ down is too long.

    The Frobenius norm is taken of the two small products of a pair, not of the whole matrix;
    nothing waits for the device.
    """
    import torch

    with torch.no_grad():
        for layer in each:
            down, up = (one[ADAPTER].weight for one in (layer.lora_A, layer.lora_B))
            inner, outer = down.flatten(1).float(), up.flatten(1).float()
            square = ((outer.T @ outer) * (inner @ inner.T)).sum().clamp(min=0)
            norm = layer.scaling[ADAPTER] * square.sqrt()
            factor = (most / norm).clamp(max=1).sqrt()
            down.mul_(factor)
            up.mul_(factor)
