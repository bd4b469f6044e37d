"""The low-rank adapter: peft's layers, our first weights, and its tensors by name."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prep.seeds import seed_for

if TYPE_CHECKING:
    from torch import Tensor, nn

ADAPTER = "lora"


@dataclass(frozen=True)
class Pair:
    """The two weights of one adapted module; up @ down * alpha / rank is added to its own.

    Attributes:
        down: (rank, in) or, for a 1x1 convolution, (rank, in, 1, 1).
        up: (out, rank) or (out, rank, 1, 1).
    """

    down: "Tensor"
    up: "Tensor"


def add(network: Any, targets: tuple[str, ...], rank: int, alpha: float) -> None:
    """Give every module whose name ends in one of `targets` an adapter that changes nothing yet."""
    from peft import LoraConfig

    # peft's type says int; it only ever divides by rank.
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets))  # type: ignore[arg-type]
    network.add_adapter(config, adapter_name=ADAPTER)


def seed_weights(network: "nn.Module", seed: int) -> None:
    """Set first weights that depend on the seed and the module's name alone.

    Source:
        Down: Kaiming uniform with a = sqrt(5); up: zeros, as kohya-ss/sd-scripts networks/lora.py.
    """
    import torch

    for name, pair in pairs(network).items():
        generator = torch.Generator("cpu").manual_seed(seed_for(seed, "lora", name))
        first = torch.empty(pair.down.shape, dtype=torch.float32)
        torch.nn.init.kaiming_uniform_(first, a=math.sqrt(5), generator=generator)
        with torch.no_grad():
            pair.down.copy_(first)
            pair.up.zero_()


def pairs(network: "nn.Module") -> dict[str, Pair]:
    """Return the adapter's weights by the adapted module's name, sorted; not copies."""
    found: Mapping[str, Any] = dict(network.named_modules())
    ending = f".lora_A.{ADAPTER}"
    names = sorted(name.removesuffix(ending) for name in found if name.endswith(ending))
    return {
        name: Pair(found[name + ending].weight, found[f"{name}.lora_B.{ADAPTER}"].weight)
        for name in names
    }


def trainable(network: "nn.Module") -> "list[Tensor]":
    """Return the adapter's weights in a fixed order; everything else is frozen."""
    return [weight for pair in pairs(network).values() for weight in (pair.down, pair.up)]
