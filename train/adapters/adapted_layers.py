"""LoHa, LoKr, OFT and DoRA on the modules of a network: what they hold, and how they answer.

A module keeps its class, its name and its weight, and gets a part `lycoris` with the tensors that
learn. peft's own layers are not taken: its OFT turns inputs, which no reader of `oft_blocks` does,
its DoRA has magnitudes of outputs alone, and its LoKr scales two whole factors.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from train.adapters import adapter_shapes
from train.adapters.adapter_kinds import ALPHA, LORA, MAGNITUDE, Shape
from train.adapters.adapter_shapes import ShapesFor
from train.adapters.weight_rules import added, norms, rank_of, rotation, scale_of, stretch
from train.families.family import Base, Family
from train.generators import generator_for

if TYPE_CHECKING:
    from torch import Tensor, nn

_PART = "lycoris"


def adapt(
    network: "nn.Module",
    chosen: Callable[[str], bool],
    shapes_for: ShapesFor,
    strength: Callable[[Shape], float],
) -> None:
    """Give modules an adapter whose numbers are not set yet; see `seed_weights`.

    Args:
        chosen: Name of a module -> whether it gets one.
        strength: Shape of a weight -> alpha over rank.
    """
    import torch
    from torch import nn

    for name, layer in list(network.named_modules()):
        if not chosen(name):
            continue
        weight: Any = layer.weight
        holder = nn.Module()
        size = tuple(weight.shape)
        for ending, shape in shapes_for(size).items():
            place, _, last = ending.rpartition(".")
            within: Any = holder
            if place:
                within = nn.Module()
                holder.add_module(place, within)
            # In half precision small steps would be rounded away.
            made = torch.empty(shape, dtype=torch.float32, device=weight.device)
            within.register_parameter(last, nn.Parameter(made))
        layer.add_module(_PART, holder)
        own = weights(layer)
        set_scale(layer, strength(size) if rank_of(own) else 1.0)
        if MAGNITUDE in own and own[MAGNITUDE].shape[0] == 1:
            layer.register_forward_pre_hook(_before)
        layer.register_forward_hook(_after)


def weights(layer: Any) -> "dict[str, Tensor]":
    """Return an adapted module's tensors by the endings of their names in a file; not copies."""
    return dict(getattr(layer, _PART).named_parameters())


def scale(layer: Any) -> float:
    """Return how strongly an adapted module's tensors act: alpha over rank."""
    return float(getattr(layer, _PART).scale)


def set_scale(layer: Any, to: float) -> None:
    """Let an adapted module's tensors act so strongly."""
    getattr(layer, _PART).scale = to


@contextmanager
def set_aside(base: Base) -> Iterator[None]:
    """Return a block in which the base model answers as if it had no adapters."""
    holders = [getattr(layer, _PART) for layer in of_base(base).values()]
    for holder in holders:
        holder.idle = True
    try:
        yield
    finally:
        for holder in holders:
            del holder.idle


def _is_idle(layer: Any) -> bool:
    return hasattr(getattr(layer, _PART), "idle")


def of_network(network: "nn.Module", part: str = "") -> "Iterator[tuple[str, Any]]":
    """Yield the adapted modules by name.

    Args:
        part: Folder of the text encoder, where `network` is one: names begin with it and a dot.
    """
    before = f"{part}." if part else ""
    for name, layer in network.named_modules():
        if hasattr(layer, _PART):
            yield before + name, layer


def of_base(base: Base) -> dict[str, Any]:
    """Return the adapted modules of the network and of the text encoders by name, sorted."""
    found = dict(of_network(base.network))
    for part, encoder in base.encoders.items():
        found |= of_network(encoder, part)
    return dict(sorted(found.items()))


def seed_weights(network: "nn.Module", seed: int, part: str = "") -> None:
    """Set first numbers that depend on the seed, the module's name and the tensor's alone.

    Args:
        part: Folder of the text encoder, where `network` is one.
    """
    import torch

    with torch.no_grad():
        for name, layer in of_network(network, part):
            for ending, tensor in weights(layer).items():
                if ending == MAGNITUDE:
                    tensor.copy_(norms(layer.weight.float(), like=tensor))
                else:
                    generator = generator_for(seed, _PART, name, ending)
                    tensor.copy_(adapter_shapes.first(ending, tuple(tensor.shape), generator))


def named(base: Base, family: Family) -> "dict[str, Tensor]":
    """Return the tensors of a file that holds what was trained, float32 on the CPU."""
    import torch

    found: dict[str, Tensor] = {}
    for name, layer in of_base(base).items():
        word, own = family.export_name(name), weights(layer)
        plain = {ending: one.detach().float().cpu().contiguous() for ending, one in own.items()}
        plain[ALPHA] = torch.tensor(_alpha(layer, own), dtype=torch.float32)
        found |= {f"{word}.{ending}": one for ending, one in plain.items()}
    return found


def put(saved: "Mapping[str, Tensor]", base: Base, family: Family) -> None:
    """Give the adapters of a base model the numbers of a file: all of their names are in it."""
    for name, layer in of_base(base).items():
        word, own = family.export_name(name), weights(layer)
        read = {ending: saved[f"{word}.{ending}"] for ending in (*own, ALPHA)}
        for ending, tensor in own.items():
            # Copies: where a file's numbers lie in memory would decide the last bits of a product.
            tensor.data = read[ending].to(tensor, copy=True)
        set_scale(layer, scale_of(read))


def answer(layer: Any, values: "Tensor", weight: "Tensor", bias: bool = True) -> "Tensor":
    """Return what a module would answer without an adapter and with another weight."""
    import torch

    own = layer.bias if bias else None
    if weight.ndim == 2:
        return torch.nn.functional.linear(values, weight, own)
    found: Tensor = layer._conv_forward(values, weight, own)
    return found


def _alpha(layer: Any, own: "Mapping[str, Tensor]") -> float:
    """Return the alpha of a file: that of an OFT bounds how far it turns, and 0 is no bound.

    Two whole factors of a LoKr act as they are, whatever stands there.
    """
    if "oft_blocks" in own:
        return 0.0
    return scale(layer) * (rank_of(own) or 1)


def _before(layer: Any, given: "tuple[Tensor, ...]") -> "tuple[Tensor, ...]":
    """Scale what a module with magnitudes of its inputs is given: the columns of its weight."""
    if _is_idle(layer):
        return given
    values, *rest = given
    return (_scaled(values, _stretch(layer, weights(layer))), *rest)


def _after(layer: Any, given: "tuple[Tensor, ...]", answer: "Tensor") -> "Tensor":
    """Return what an adapted module answers."""
    if _is_idle(layer):
        return answer
    own = weights(layer)
    if "oft_blocks" in own:
        return answer + _turn(layer, own, answer)
    if MAGNITUDE not in own:
        return answer + _through(layer, given[0], own)
    pair = _through_pair(layer, given[0], own)
    if own[MAGNITUDE].shape[0] == 1:
        return answer + pair
    bias = _bias(layer)
    stretched: Tensor = _scaled(answer - bias + pair, _stretch(layer, own)) + bias
    return stretched


def _through(layer: Any, values: "Tensor", own: "Mapping[str, Tensor]") -> "Tensor":
    """Return what a module's adapter alone answers: one whose change of the weight is a sum."""
    with _exact(values):
        plain = {ending: one.float() for ending, one in own.items()}
        whole = added(plain, scale(layer)).reshape(layer.weight.shape)
    return _applied(layer, values, whole)


def _through_pair(layer: Any, values: "Tensor", own: "Mapping[str, Tensor]") -> "Tensor":
    """Return what the pair of a DoRA answers."""
    import torch

    down, up = (own[ending] for ending in LORA)
    inner = _applied(layer, values, down)
    apply = torch.nn.functional.linear if up.ndim == 2 else torch.nn.functional.conv2d
    found: Tensor = apply(inner, up.to(inner.dtype))
    return found * scale(layer)


def _applied(layer: Any, values: "Tensor", weight: "Tensor") -> "Tensor":
    """Return what a module would answer with another weight and no bias."""
    return answer(layer, values, weight.to(values.dtype), bias=False)


def _turn(layer: Any, own: "Mapping[str, Tensor]", answer: "Tensor") -> "Tensor":
    """Return what turning the outputs of a module's weight adds to its answer."""
    import torch

    with _exact(answer):
        turns = rotation({"oft_blocks": own["oft_blocks"].float()}, layer.weight.shape[0])
        turns = turns - torch.eye(turns.shape[1], device=turns.device)
    axis = 1 if layer.weight.ndim > 2 else -1
    parts = (answer - _bias(layer)).unflatten(axis, turns.shape[:2])
    rule = "knm,bkn...->bkm..." if axis == 1 else "knm,...kn->...km"
    found = torch.einsum(rule, turns.to(answer.dtype), parts)
    return found.flatten(1, 2) if axis == 1 else found.flatten(-2)


def _stretch(layer: Any, own: "Mapping[str, Tensor]") -> "Tensor":
    """Return by how much each output or input of a DoRA is longer than its weight, one axis each.

    The length of the weight takes no part in the gradient.

    Source:
        Liu et al. 2024 (DoRA), section 4.3.
    """
    import torch

    magnitude = own[MAGNITUDE].float()
    with _exact(magnitude):
        with torch.no_grad():
            pair = {ending: own[ending].float() for ending in LORA}
            whole = layer.weight.float() + added(pair, scale(layer)).reshape(layer.weight.shape)
        return stretch(magnitude, whole).reshape(-1, *[1] * (layer.weight.ndim - 2))


def _scaled(values: "Tensor", by: "Tensor") -> "Tensor":
    return values * by.to(values.dtype)


def _bias(layer: Any) -> Any:
    """Return a module's bias beside its answers; 0 where it has none."""
    if layer.bias is None:
        return 0
    return layer.bias.reshape(-1, *[1] * (layer.weight.ndim - 2))


def _exact(values: "Tensor") -> AbstractContextManager[None]:
    """Return a block that computes in float32 where the network computes in half precision."""
    import torch

    return torch.autocast(values.device.type, enabled=False)
