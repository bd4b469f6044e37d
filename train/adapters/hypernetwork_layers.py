"""Hypernetworks: small networks in front of the keys and values of every attention of one width.

Source: AUTOMATIC1111's stable-diffusion-webui, modules/hypernetworks/hypernetwork.py,
`HypernetworkModule` and `apply_single_hypernetwork`.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import nn

# A file's word -> torch's class; `linear` has none.
ACTIVATIONS: Mapping[str, str] = MappingProxyType(
    {"relu": "ReLU", "leakyrelu": "LeakyReLU", "elu": "ELU", "swish": "Hardswish"}
    | {"tanh": "Tanh", "sigmoid": "Sigmoid"}
)
LINEAR = "linear"
_NAME = "hypernetwork"  # of what learns, within the network
ENDS = ("k", "v")


class Structure(NamedTuple):
    """What all the small networks of a hypernetwork have in common.

    Attributes:
        layers: Widths from the first to the last, over that of the attention: 1 at either end.
        activation: One of `ACTIVATIONS`, or `linear`.
        norm: Whether a normalisation follows each layer.
        last: Whether an activation follows the last layer, too.
        dropouts: Share that is dropped behind each of `layers`, where files say one; only when they
            were trained, and their layers are numbered with it.
    """

    layers: tuple[float, ...] = (1, 2, 1)
    activation: str = LINEAR
    norm: bool = False
    last: bool = False
    dropouts: tuple[float, ...] = ()


def made(width: int, structure: Structure) -> "nn.ModuleDict":
    """Return the small networks for keys and values of a width: `k` and `v`."""
    from torch import nn

    return nn.ModuleDict({end: nn.Sequential(*_layers(width, structure)) for end in ENDS})


def _layers(width: int, structure: Structure) -> "Iterator[nn.Module]":
    from torch import nn

    sizes = [int(width * share) for share in structure.layers]
    for number, (before, behind) in enumerate(pairwise(sizes), 1):
        yield nn.Linear(before, behind)
        last = number == len(sizes) - 1
        if structure.activation != LINEAR and (structure.last or not last):
            yield getattr(nn, ACTIVATIONS[structure.activation])()
        if structure.norm:
            yield nn.LayerNorm(behind)
        if number < len(structure.dropouts) and structure.dropouts[number] > 0:
            yield nn.Identity()


def widths(network: "nn.Module") -> list[int]:
    """Return the widths of what the attentions of a network read, sorted."""
    return sorted({one.in_features for name, one in network.named_modules() if _end(name)})


def put_before(
    network: "nn.Module", pairs: "Mapping[int, nn.ModuleDict]", strength: Callable[[str], float]
) -> None:
    """Let what the attentions of a network read go through small networks first.

    Args:
        pairs: By widths; attentions of other widths stay as they are.
        strength: Name of a layer for keys or values -> how strongly its small network acts; asked
            at every pass.
    """
    for name, module in network.named_modules():
        end: Any = _end(name)
        if end and (own := pairs.get(module.in_features)) is not None:
            module.register_forward_pre_hook(_hook(own[end], name, strength))


def _hook(small: "nn.Module", name: str, strength: Callable[[str], float]) -> Any:
    def hook(module: Any, given: Any) -> Any:
        share = strength(name)
        return (given[0] + small(given[0]) * share,) if share else None

    return hook


def _end(name: str) -> str:
    """Return what a module makes, `k` or `v`; empty for one that makes none of them."""
    return next((end for end in ENDS if name.endswith(f".to_{end}")), "")


def let_learn(network: Any, pairs: "Mapping[int, nn.ModuleDict]") -> None:
    """Make small networks a part of a network, so that they learn with it; see `learning`."""
    from torch import nn

    each = nn.ModuleDict({str(width): pair for width, pair in pairs.items()})
    network.add_module(_NAME, each.requires_grad_(True))
    put_before(network, pairs, lambda name: 1.0)


def learning(network: Any) -> "dict[int, nn.ModuleDict]":
    """Return the small networks that are a part of a network, by widths."""
    return {int(width): pair for width, pair in getattr(network, _NAME).items()}
