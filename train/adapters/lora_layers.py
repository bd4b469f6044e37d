"""The low-rank adapter: peft's layers, our first weights, and its tensors by name."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from train.families.family import Base
from train.generators import generator_for

if TYPE_CHECKING:
    from peft import LoraConfig
    from torch import Tensor, nn

ADAPTER = "lora"


@dataclass(frozen=True)
class Pair:
    """The two weights of one adapted module; up @ down * alpha / rank is added to its own.

    Attributes:
        down: (rank, in) or, for a convolution, (rank, in, height, width) of its kernel.
        up: (out, rank) or (out, rank, 1, 1).
    """

    down: "Tensor"
    up: "Tensor"


def add(
    network: Any,
    targets: tuple[str, ...],
    rank: int,
    alpha: float,
    learns: Callable[[str], bool] = lambda name: True,
    *,
    size_for: Callable[[str, tuple[int, ...]], tuple[int, float]] | None = None,
) -> None:
    """Give every module whose name ends in one of `targets` an adapter that changes nothing yet.

    Args:
        learns: Name of such a module -> whether it gets one.
        size_for: (name, shape of the weight) -> rank and alpha of a module's own.
    """
    from peft import LoraConfig

    dotted = tuple(f".{target}" for target in targets)
    found = {name: one for name, one in network.named_modules() if name.endswith(dotted)}
    left = [name for name in found if not learns(name)]
    if len(left) == len(found):
        return
    own = {
        f"^{name}$": size_for(name, tuple(one.weight.shape))
        for name, one in found.items()
        if size_for and name not in left
    }
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]  # peft says int, and only divides by rank
        target_modules=list(targets),
        exclude_modules=left or None,
        rank_pattern={name: size[0] for name, size in own.items() if size[0] != rank},
        alpha_pattern={name: size[1] for name, size in own.items() if size[1] != alpha},
    )
    _inject(network, config)
    for pair in pairs(network).values():  # half precision would round small steps away
        for weight in (pair.down, pair.up):
            weight.data = weight.data.float()


def is_kernel(shape: tuple[int, ...]) -> bool:
    """Return whether a weight is a kernel of more than one pixel, by its shape."""
    return math.prod(shape[2:]) > 1


def add_ranks(network: Any, ranks: Mapping[str, int]) -> None:
    """Give modules an adapter, each of its own rank: name -> rank."""
    from peft import LoraConfig

    first = next(iter(ranks.values()))
    own = {f"^{name}$": rank for name, rank in ranks.items() if rank != first}
    config = LoraConfig(r=first, lora_alpha=first, target_modules=list(ranks), rank_pattern=own)
    _inject(network, config)


def _inject(network: Any, config: "LoraConfig") -> None:
    """Put peft's layers into a network of diffusers or transformers.

    Their own `add_adapter` does the same behind a check of peft's version, and one of their
    releases asked for a peft that was not published yet.
    """
    from peft import inject_adapter_in_model

    inject_adapter_in_model(config, network, adapter_name=ADAPTER)


def layers(base: Base) -> list[tuple[str, Any]]:
    """Return peft's layers by the names that `of_base` uses."""
    each = [("", base.network), *((f"{part}.", one) for part, one in base.encoders.items())]
    return [
        (before + name, layer)
        for before, module in each
        for name, layer in module.named_modules()
        if ADAPTER in getattr(layer, "scaling", {})
    ]


def seed_weights(network: "nn.Module", seed: int, part: str = "") -> None:
    """Set first weights that depend on the seed and the module's name alone.

    Args:
        part: Folder of the text encoder, where `network` is one.

    Source:
        Down: Kaiming uniform with a = sqrt(5); up: zeros, as kohya-ss/sd-scripts networks/lora.py.
    """
    import torch

    for name, pair in pairs(network, part).items():
        generator = generator_for(seed, "lora", name)
        first = torch.empty(pair.down.shape, dtype=torch.float32)
        torch.nn.init.kaiming_uniform_(first, a=math.sqrt(5), generator=generator)
        with torch.no_grad():
            pair.down.copy_(first)
            pair.up.zero_()


def of_base(base: Base) -> dict[str, Pair]:
    """Return the pairs of the network and of the text encoders; see `pairs`."""
    found = pairs(base.network)
    for part, encoder in base.encoders.items():
        found |= pairs(encoder, part)
    return found


def pairs(network: "nn.Module", part: str = "") -> dict[str, Pair]:
    """Return the adapter's weights by the adapted module's name, sorted; not copies.

    Args:
        part: Folder of the text encoder, where `network` is one: names begin with it and a dot.
    """
    found: Mapping[str, Any] = dict(network.named_modules())
    before = f"{part}." if part else ""
    ending = f".lora_A.{ADAPTER}"
    names = sorted(name.removesuffix(ending) for name in found if name.endswith(ending))
    return {
        before + name: Pair(found[name + ending].weight, found[f"{name}.lora_B.{ADAPTER}"].weight)
        for name in names
    }


def trainable(network: "nn.Module") -> "list[Tensor]":
    """Return the network's adapter's weights in a fixed order."""
    return [weight for pair in pairs(network).values() for weight in (pair.down, pair.up)]
