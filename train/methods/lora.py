"""LoRA: a low-rank adapter beside the modules of the network, and of the text encoders.

Source: Hu et al. 2021, section 4.1; key names of kohya-ss/sd-scripts (commit 48d368fa).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from train.adapters import lora_layers
from train.adapters.run_exports import export_of
from train.adapters.set_aside import set_aside
from train.config import Config
from train.export import lora_file, verify
from train.export.rounding import as_saved
from train.families.family import Base, Family
from train.methods import lora_start
from train.methods.adapter_options import AdapterOptions, endings_of, kernel_faults
from train.methods.method import (
    Export,
    Method,
    Shapes,
    Sizes,
    learning_parts,
    learning_shapes,
    learns,
)
from train.option_fields import option
from train.step.precision import HALVES


@dataclass(frozen=True)
class _OnlyLora:
    """What a person may choose of a LoRA, and of no other adapter."""

    lora_plus: float = option(
        1.0, "Learning rate of the up weights over that of the down weights (LoRA+)", later=True,
        least=1, most=1000,
    )  # fmt: skip
    start_from: Path | None = option(  # noqa: RUF009  (a Path cannot change)
        None, "LoRA to go on from: its targets and ranks are those of this one", decides=False
    )


@dataclass(frozen=True)
class LoraOptions(_OnlyLora, AdapterOptions):
    """What a person may choose of a LoRA."""


def attach(base: Base, family: Family, config: Config) -> None:
    """Give the base model the adapter that the settings ask for, with its first weights."""
    own = config.own_as(LoraOptions)
    for part, module in learning_parts(base, config).items():

        def where(name: str, before: str = f"{part}." if part else "") -> bool:
            return learns(before + name, family, config)

        endings = endings_of(part, family, config)
        lora_layers.add(module, endings, own.rank, own.scale(), where, kernels=own.of_kernels())
        lora_layers.seed_weights(module, config.seed, part)


def sizes(config: Config, family: Family, shapes: Shapes) -> Sizes:
    """Return how many numbers the adapter has: all learn, and all are written."""
    own = config.own_as(LoraOptions)
    count = sum(
        adapter_size(found, endings_of(part, family, config), own.rank, own.of_kernels().rank)
        for part, found in learning_shapes(config, family, shapes).items()
    )
    return Sizes(count, count)


def adapter_size(
    shapes: Mapping[str, tuple[int, ...]],
    endings: Sequence[str],
    rank: int,
    of_kernels: int | None = None,
) -> int:
    """Return how many numbers an adapter has, by the shapes of the weights it goes beside.

    Args:
        of_kernels: Rank of kernels of more than one pixel, where it is another.
    """
    dotted = tuple(f".{ending}.weight" for ending in endings)
    found = [shape for name, shape in shapes.items() if name.endswith(dotted)]
    wide = of_kernels or rank
    return sum(
        (wide if lora_layers.is_kernel(shape) else rank) * (shape[0] + prod(shape[1:]))
        for shape in found
    )


def publish(export: Export) -> None:
    """Write a LoRA file; see `Publish`."""
    base, family = export.base, export.family
    own, precision = export.config.own_as(LoraOptions), export.config.save_precision
    pairs = lora_layers.of_base(base)
    named = lora_file.named(pairs, own.scale(), family, own.of_kernels().alpha)
    tensors = as_saved(named, precision)

    def check(made: Path) -> None:
        verify.check_applied(made, base, family, precision)

    lora_file.write(export.path, tensors, export.metadata, check)


def share(name: str, config: Config) -> float:
    """Return how much faster the up weights learn than the down weights.

    Source: Hayou et al. 2024 (LoRA+), section 4.
    """
    return config.own_as(LoraOptions).lora_plus if ".lora_B." in name else 1.0


def metadata(config: Config) -> Mapping[str, str]:
    """Return what kohya's scripts say of the network they train."""
    own = config.own_as(LoraOptions)
    given = own.said_of_kernels()
    if own.lora_plus != 1:
        given = given | {"loraplus_lr_ratio": str(own.lora_plus)}
    if config.block_rates:
        given = given | {"block_rates": config.block_rates}
    began = {} if own.start_from is None else {"prep_start_from": own.start_from.name}
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
    faults=kernel_faults,
    starts=_start,
    check_start=lora_start.check_start,
    begin=lora_start.begin,
    prompt_word="lora",
    alone=set_aside,
)
