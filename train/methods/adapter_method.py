"""What LoHa, LoKr, OFT and DoRA do alike as methods: each says its tensors and its options."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from train.adapters import adapted_layers
from train.adapters.adapter_kinds import Shape
from train.adapters.adapter_shapes import ShapesFor
from train.config import Config
from train.export import adapter_proof, lora_file
from train.export.rounding import as_saved
from train.families.family import Base, Family
from train.families.lora_layout import KOHYA
from train.methods.adapter_options import (
    AdapterOptions,
    TargetOptions,
    endings_of,
    kernel_faults,
)
from train.methods.method import (
    Export,
    Method,
    Shapes,
    Sizes,
    learning_parts,
    learning_shapes,
    learns,
)
from train.option_fields import Options
from train.step.precision import HALVES

# What LyCORIS calls where an adapter goes.
_PRESETS = {"attention": "attn-only", "transformer": "attn-mlp", "convolutions": "full"}


def adapter_method(
    name: str,
    title: str,
    options: Callable[..., Options],
    shapes_for: Callable[[Any], ShapesFor],
    *,
    said: Callable[[Any], Mapping[str, str]],
    width: Callable[[Any], int] = lambda own: own.rank,
) -> Method:
    """Return the method of a kind of adapter.

    Args:
        title: As people write its name, with `a` or `an`.
        shapes_for: Its options -> which tensors a module gets.
        said: Its options -> the arguments that LyCORIS calls them by.
        width: Its options -> what LyCORIS calls its dimension.
    """

    def attach(base: Base, family: Family, config: Config) -> None:
        shapes = shapes_for(config.own)
        for part, module in learning_parts(base, config).items():
            chosen = _chosen(part, family, config)
            adapted_layers.adapt(module, chosen, shapes, partial(_scale, config))
            adapted_layers.seed_weights(module, config.seed, part)

    def sizes(config: Config, family: Family, shapes: Shapes) -> Sizes:
        count = sum(
            sum(map(prod, shapes_for(config.own)(shape).values()))
            for part, found in learning_shapes(config, family, shapes).items()
            for weight, shape in found.items()
            if weight.endswith(_dotted(part, family, config, ".weight"))
        )
        return Sizes(count, count)

    return Method(
        name=name,
        about=f"Train {title} on the samples of META; the file is one of LyCORIS.",
        made=f"{title} on",
        options=options,
        architecture="/lora",
        precision=lambda config: HALVES.get(config.precision, "float32"),
        attach=attach,
        sizes=sizes,
        ending=lambda config: ".safetensors",
        publish=publish,
        apply=apply,
        metadata=lambda config: _metadata(config, width(config.own), said(config.own)),
        trains=lambda family: family.lora_layout is KOHYA,
        faults=kernel_faults,
        prompt_word="lora",
        alone=adapted_layers.set_aside,
    )


def publish(export: Export) -> None:
    """Write a file of adapters; see `Publish`."""
    base, family, precision = export.base, export.family, export.config.save_precision
    tensors = as_saved(adapted_layers.named(base, family), precision)

    def check(made: Path) -> None:
        adapter_proof.check_changes(made, base, family, precision)

    lora_file.write(export.path, tensors, export.metadata, check)


def apply(path: Path, base: Base, family: Family) -> None:
    """Give the adapters of a base model the numbers of an export: all of their names are in it."""
    from safetensors.torch import load_file

    adapted_layers.put(load_file(path), base, family)


def _metadata(config: Config, width: int, said: Mapping[str, str]) -> Mapping[str, str]:
    """Return what LyCORIS says of the network it trains; see `adapter_method`."""
    own = config.own
    given = {"preset": _PRESETS[config.own_as(TargetOptions).targets], **said}
    given |= own.said_of_kernels() if isinstance(own, AdapterOptions) else {}
    if config.block_rates:
        given |= {"block_rates": config.block_rates}
    return {
        "ss_network_module": "lycoris.kohya",
        "ss_network_dim": str(width),
        "ss_network_alpha": str(own.scale() if isinstance(own, AdapterOptions) else None),
        "ss_network_args": json.dumps(given, sort_keys=True),
    }


def _chosen(part: str, family: Family, config: Config) -> Callable[[str], bool]:
    """Return which modules of a text encoder, or of the network, get an adapter."""
    before, dotted = f"{part}." if part else "", _dotted(part, family, config)
    return lambda name: name.endswith(dotted) and learns(before + name, family, config)


def _dotted(part: str, family: Family, config: Config, more: str = "") -> tuple[str, ...]:
    return tuple(f".{ending}{more}" for ending in endings_of(part, family, config))


def _scale(config: Config, shape: Shape) -> float:
    """Return alpha over rank of a module; 1 of a kind that has neither."""
    own = config.own
    if not isinstance(own, AdapterOptions):
        return 1.0
    size = own.size_for(shape)
    return size.alpha / size.rank
