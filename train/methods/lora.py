"""LoRA: a low-rank adapter beside the modules of the network, and of the text encoders.

Source: Hu et al. 2021, section 4.1; key names of kohya-ss/sd-scripts (commit 48d368fa).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from train.adapters import lora_layers
from train.adapters.set_aside import set_aside
from train.config import Config
from train.export import lora_file, verify
from train.export.rounding import as_saved
from train.families.family import Base, Family
from train.methods.method import Export, Method, Shapes, Sizes, learning_shapes, learns
from train.option_fields import as_float32, deciding, option
from train.step.precision import HALVES

# Each holds the modules of the one before it: kohya's names for SD 1.x count 128, 192 and 278.
TARGETS = ("attention", "transformer", "convolutions")


@dataclass(frozen=True)
class LoraOptions:
    """What a person may choose of a LoRA.

    Attributes:
        alpha: Scale of the adapter times rank; None means rank, a scale of one.
    """

    rank: int = option(16, "Inner width of the adapter", least=1, most=1024)
    alpha: float | None = option(
        None, "Scale of the adapter times rank; default: the rank", least=1e-6, most=100_000
    )
    targets: str = option(
        "transformer", "Where the adapter goes: attention, transformer or convolutions",
        words=TARGETS,
    )  # fmt: skip

    lora_plus: float = option(
        1.0, "Learning rate of the up weights over that of the down weights (LoRA+)", later=True,
        least=1, most=1000,
    )  # fmt: skip

    def scale(self) -> float:
        """Return alpha after its default.

        It is the float32 number nearest to what was given, which is what a LoRA file holds:
        training, export and certificate have one and the same scale.
        """
        return float(self.rank) if self.alpha is None else as_float32(self.alpha)

    def deciding(self) -> Mapping[str, Any]:
        """Return all of them, with alpha after its default."""
        return deciding(self) | {"alpha": self.scale()}


def attach(base: Base, family: Family, config: Config) -> None:
    """Give the base model the adapter that the settings ask for, with its first weights."""
    own = config.own_as(LoraOptions)
    parts: dict[str, Any] = {"": base.network, **(base.encoders if config.text_encoder else {})}
    for part, module in parts.items():

        def where(name: str, before: str = f"{part}." if part else "") -> bool:
            return learns(before + name, family, config)

        endings = _endings(part, family, config)
        lora_layers.add(module, endings, own.rank, own.scale(), where)
        lora_layers.seed_weights(module, config.seed, part)


def _endings(part: str, family: Family, config: Config) -> tuple[str, ...]:
    """Return the endings of the names of what gets an adapter in a text encoder, or the network."""
    return family.text_targets if part else family.targets(config.own_as(LoraOptions).targets)


def sizes(config: Config, family: Family, shapes: Shapes) -> Sizes:
    """Return how many numbers the adapter has: all learn, and all are written."""
    own = config.own_as(LoraOptions)
    count = sum(
        adapter_size(found, _endings(part, family, config), own.rank)
        for part, found in learning_shapes(config, family, shapes).items()
    )
    return Sizes(count, count)


def adapter_size(shapes: Mapping[str, tuple[int, ...]], endings: Sequence[str], rank: int) -> int:
    """Return how many numbers an adapter has, by the shapes of the weights it goes beside."""
    dotted = tuple(f".{ending}.weight" for ending in endings)
    found = [shape for name, shape in shapes.items() if name.endswith(dotted)]
    return sum(rank * (out + prod(inner)) for out, *inner in found)


def publish(export: Export) -> None:
    """Write a LoRA file; see `Publish`."""
    base, family = export.base, export.family
    pairs, scale = lora_layers.of_base(base), export.config.own_as(LoraOptions).scale()
    precision = export.config.save_precision
    tensors = as_saved(lora_file.named(pairs, scale, family), precision)

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
    kernels = {"conv_dim": str(own.rank), "conv_alpha": str(own.scale())}
    given = kernels if own.targets == "convolutions" else {}
    if own.lora_plus != 1:
        given = given | {"loraplus_lr_ratio": str(own.lora_plus)}
    if config.block_rates:
        given = given | {"block_rates": config.block_rates}
    return {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(own.rank),
        "ss_network_alpha": str(own.scale()),
        "ss_network_args": json.dumps(given, sort_keys=True),
    }


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
    prompt_word="lora",
    alone=set_aside,
)
