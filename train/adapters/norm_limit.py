"""The longest that the change of a module's weight by a LoRA may be.

Source: kohya-ss/sd-scripts (commit 48d368fa), networks/lora.py, `apply_max_norm_regularization`.
"""

from train.adapters.lora_layers import ADAPTER, layers
from train.families.family import Base


def limit_norms(base: Base, most: float) -> None:
    """Shorten both weights of each pair by one factor where scale * up @ down is too long.

    The Frobenius norm is taken of the two small products of a pair, not of the whole matrix;
    nothing waits for the device.

    Args:
        most: The longest norm.
    """
    import torch

    with torch.no_grad():
        for _, layer in layers(base):
            down, up = (one[ADAPTER].weight for one in (layer.lora_A, layer.lora_B))
            inner, outer = down.flatten(1).float(), up.flatten(1).float()
            square = ((outer.T @ outer) * (inner @ inner.T)).sum().clamp(min=0)
            norm = layer.scaling[ADAPTER] * square.sqrt()
            factor = (most / norm).clamp(max=1).sqrt()
            down.mul_(factor)
            up.mul_(factor)
