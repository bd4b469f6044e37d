"""Hypernetwork: small networks in front of the keys and values of the network's attentions.

Source: AUTOMATIC1111's stable-diffusion-webui, modules/hypernetworks/hypernetwork.py. Dropout,
which its files can ask for, is not trained with.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from train.adapters import hypernetwork_layers
from train.adapters.hypernetwork_layers import ACTIVATIONS, LINEAR, Structure
from train.config import Config
from train.export import hypernetwork_export
from train.families.family import Base, Family
from train.generators import generator_for
from train.methods.method import Export, Method, Shapes, Sizes
from train.option_fields import deciding, option
from train.step.precision import HALVES

_MOST_LAYERS, _WIDEST = 10, 8
# Ours -> the format's word.
_FIRST: Mapping[str, str] = MappingProxyType(
    {"normal": "Normal", "xavier-uniform": "XavierUniform", "xavier-normal": "XavierNormal"}
    | {"kaiming-uniform": "KaimingUniform", "kaiming-normal": "KaimingNormal"}
)


@dataclass(frozen=True)
class HypernetworkOptions:
    """What a person may choose of a hypernetwork."""

    layer_structure: str = option(
        "1,2,1", "Widths of its layers over that of the attention, 1 at either end"
    )
    activation: str = option(
        LINEAR, "What follows each layer but the last", words=(LINEAR, *ACTIVATIONS)
    )
    layer_norm: bool = option(False, "Normalise behind each layer")
    weight_initialization: str = option(
        "normal", f"How first weights are drawn: {', '.join(_FIRST)}", words=tuple(_FIRST),
        known_as={word.lower(): ours for ours, word in _FIRST.items()},
    )  # fmt: skip

    def layers(self) -> tuple[float, ...]:
        """Return the widths of its layers over that of the attention.

        Raises:
            ValueError: One of them is no number.
        """
        each = tuple(float(one) for one in self.layer_structure.split(","))
        return tuple(int(one) if one.is_integer() else one for one in each)

    def structure(self) -> Structure:
        """Return what all its small networks have in common."""
        return Structure(self.layers(), self.activation, self.layer_norm)

    def deciding(self) -> Mapping[str, Any]:
        """Return all of them."""
        return deciding(self)


def faults(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the layers."""
    own = config.own_as(HypernetworkOptions)
    try:
        layers = own.layers()
    except ValueError:
        layers = ()
    good = 2 < len(layers) <= _MOST_LAYERS and layers[0] == layers[-1] == 1
    if not good or not all(0 < one <= _WIDEST for one in layers):
        yield (
            f"`--layer-structure` is `{own.layer_structure}`",
            f"give 3 to {_MOST_LAYERS} numbers up to {_WIDEST}, 1 at either end: `1,2,1`",
        )


def attach(base: Base, family: Family, config: Config) -> None:
    """Put a small network in front of keys and values of each width, with its first weights."""
    own = config.own_as(HypernetworkOptions)
    weight = next(base.network.parameters())
    pairs = {}
    for width in hypernetwork_layers.widths(base.network):
        pairs[width] = hypernetwork_layers.made(width, own.structure())
        for name, tensor in pairs[width].named_parameters():
            _draw_first(f"{width}.{name}", tensor, own, config.seed)
        pairs[width].to(weight.device)
    hypernetwork_layers.let_learn(base.network, pairs)


def _draw_first(name: str, tensor: Any, own: HypernetworkOptions, seed: int) -> None:
    """Draw the first numbers of a weight, by the seed and its name alone.

    Biases begin as 0; the weights of a normalisation are always drawn as `normal`, by the format.
    """
    import torch

    init: Any = torch.nn.init
    if name.endswith(".bias"):
        init.zeros_(tensor)
        return
    word = own.weight_initialization if tensor.ndim > 1 else "normal"
    more: dict[str, Any] = {"generator": generator_for(seed, "hypernetwork", name)}
    if word == "normal":
        init.normal_(tensor, std=0.01, **more)
        return
    if word.startswith("kaiming"):
        more["nonlinearity"] = "leaky_relu" if own.activation == "leakyrelu" else "relu"
    getattr(init, f"{word.replace('-', '_')}_")(tensor, **more)


def sizes(config: Config, family: Family, shapes: Shapes) -> Sizes:
    """Return how many numbers the small networks have: all learn, and all are written."""
    own = config.own_as(HypernetworkOptions)
    found = {
        shape[1] for name, shape in shapes[family.network].items() if name.endswith(".to_k.weight")
    }
    count = 0
    for width in found:
        each = [int(width * share) for share in own.layers()]
        for before, behind in pairwise(each):
            count += 2 * behind * (before + 1 + (2 if own.layer_norm else 0))
    return Sizes(count, count)


def publish(export: Export) -> None:
    """Write the file; see `Publish`."""
    config = export.config
    own = config.own_as(HypernetworkOptions)
    how = (own.structure(), _FIRST[own.weight_initialization])
    hypernetwork_export.write(export.path, export.base, how, config.save_precision, export.metadata)


def metadata(config: Config) -> Mapping[str, str]:
    """Return its options, in the fields that kohya's scripts have for those of a network."""
    given = config.own_as(HypernetworkOptions).deciding()
    return {
        "ss_network_module": "hypernetwork",
        "ss_network_args": json.dumps(dict(given), sort_keys=True),
    }


METHOD = Method(
    name="hypernetwork",
    about="Train a hypernetwork: small networks before the keys and values of the attentions.",
    made="a hypernetwork for",
    options=HypernetworkOptions,
    usual_rate=1e-5,
    architecture="/hypernetwork",
    precision=lambda config: HALVES.get(config.precision, "float32"),
    attach=attach,
    sizes=sizes,
    ending=lambda config: ".pt",
    publish=publish,
    apply=hypernetwork_export.apply,
    metadata=metadata,
    of_parts=False,
    trains=lambda family: family.hypernetworks,
    faults=faults,
    reads=lambda config: False,
    prompt_word="hypernet",
)
