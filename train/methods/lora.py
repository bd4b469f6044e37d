"""LoRA: a low-rank adapter beside the modules of the network, and of the text encoders.

Source: Hu et al. 2021, section 4.1; key names of kohya-ss/sd-scripts (commit 48d368fa).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path

from train.adapters import lora_layers
from train.adapters.adapter_kinds import Shape
from train.adapters.lora_dropout import Showing, dropout, no_dropout
from train.adapters.norm_limit import norm_limit
from train.adapters.run_exports import export_of
from train.adapters.set_aside import set_aside
from train.config import Config
from train.export import lora_file, verify
from train.export.rounding import as_saved
from train.families.family import Base, Family
from train.methods import lora_start
from train.methods.adapter_options import AdapterSize, endings_of
from train.methods.lora_options import LoraOptions, faults
from train.methods.method import (
    Export,
    Method,
    Shapes,
    Sizes,
    learning_parts,
    learning_shapes,
    learns,
)
from train.step.precision import HALVES


def attach(base: Base, family: Family, config: Config) -> None:
    """Give the base model the adapter that the settings ask for, with its first weights."""
    own = config.own_as(LoraOptions)
    for part, module in learning_parts(base, config).items():
        before = f"{part}." if part else ""

        def where(name: str, before: str = before) -> bool:
            wanted = own.rank_of(family.block(before + name))
            return wanted > 0 and learns(before + name, family, config)

        def size_for(name: str, shape: Shape, before: str = before) -> AdapterSize:
            return own.size_for(shape, family.block(before + name))

        endings = endings_of(part, family, config)
        lora_layers.add(module, endings, own.rank, own.scale(), where, size_for=size_for)
        lora_layers.seed_weights(module, config.seed, part)


def sizes(config: Config, family: Family, shapes: Shapes) -> Sizes:
    """Return how many numbers the adapter has: all learn, and all are written."""
    own = config.own_as(LoraOptions)
    count = 0
    for part, found in learning_shapes(config, family, shapes).items():

        def rank_of(name: str, shape: Shape, before: str = f"{part}." if part else "") -> int:
            return own.size_for(shape, family.block(before + name)).rank

        count += adapter_size(found, endings_of(part, family, config), rank_of)
    return Sizes(count, count)


def adapter_size(
    shapes: Mapping[str, Shape], endings: Sequence[str], rank_of: Callable[[str, Shape], int]
) -> int:
    """Return how many numbers an adapter has, by the shapes of the weights it goes beside.

    Args:
        rank_of: (name of a weight, its shape) -> its rank.
    """
    dotted = tuple(f".{ending}.weight" for ending in endings)
    found = {name: shape for name, shape in shapes.items() if name.endswith(dotted)}
    return sum(rank_of(name, shape) * (shape[0] + prod(shape[1:])) for name, shape in found.items())


def publish(export: Export) -> None:
    """Write a LoRA file; see `Publish`."""
    base, family = export.base, export.family
    own, precision = export.config.own_as(LoraOptions), export.config.save_precision
    pairs = lora_layers.of_base(base)

    def alpha_of(module: str) -> float:
        return own.size_for(tuple(pairs[module].down.shape), family.block(module)).alpha

    named = lora_file.named(pairs, alpha_of, family)
    tensors = as_saved(named, precision)

    def check(made: Path) -> None:
        verify.check_applied(made, base, family, precision)

    lora_file.write(export.path, tensors, export.metadata, check)


def showing(base: Base, config: Config) -> Showing:
    """Return what tells the adapter which samples it is shown, where it leaves some of it out."""
    shares = config.own_as(LoraOptions).dropout()
    return dropout(base, shares, config.seed) if any(shares) else no_dropout


def limit(base: Base, config: Config) -> Callable[[], None]:
    """Return what keeps the changes of the weights as short as the settings ask."""
    most = config.own_as(LoraOptions).max_norm
    return norm_limit(base, most) if most else lambda: None


def share(name: str, config: Config) -> float:
    """Return how much faster the up weights learn than the down weights.

    Source: Hayou et al. 2024 (LoRA+), section 4.
    """
    return config.own_as(LoraOptions).lora_plus if ".lora_B." in name else 1.0


def metadata(config: Config) -> Mapping[str, str]:
    """Return what kohya's scripts say of the network they train."""
    own = config.own_as(LoraOptions)
    given = own.said_of_kernels() | own.said()
    if config.block_rates:
        given |= {"block_rates": config.block_rates}
    usual = {"ss_network_dropout": own.network_dropout, "ss_scale_weight_norms": own.max_norm}
    began = {word: str(number) for word, number in usual.items() if number}
    if own.start_from is not None:
        began["prep_start_from"] = own.start_from.name
    return began | {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(own.rank),
        "ss_network_alpha": str(own.scale()),
        "ss_network_args": json.dumps(given, sort_keys=True),
    }


def _start(config: Config) -> Path | None:
    """Return the file that it goes on from; that of a run, where its folder is named."""
    given = config.own_as(LoraOptions).start_from
    return None if given is None else export_of(given)


METHOD = Method(
    name="lora",
    about="Train a LoRA on the samples of META; the same command again says that it is done.",
    made="a LoRA on",
    known_as=("networks.lora",),
    options=LoraOptions,
    architecture="/lora",
    precision=lambda config: HALVES.get(config.precision, "float32"),
    attach=attach,
    sizes=sizes,
    ending=lambda config: ".safetensors",
    publish=publish,
    apply=verify.apply,
    metadata=metadata,
    share=share,
    faults=faults,
    showing=showing,
    limit=limit,
    starts=_start,
    check_start=lora_start.check_start,
    begin=lora_start.begin,
    prompt_word="lora",
    alone=set_aside,
)
