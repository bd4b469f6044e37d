"""Fine-tune: the whole network learns, and the text encoders where they are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any

from train.config import Config
from train.export import model_files
from train.families.family import Base, Family
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

# Once the recipe of every method held the options of a LoRA: they stay, and runs of then go on.
_ALWAYS = MappingProxyType({"rank": 16, "alpha": 16.0, "targets": "transformer"})


@dataclass(frozen=True)
class FinetuneOptions:
    """What a person may choose of a fine-tune."""

    save_as: str = option(
        "folder", "Form of the model: folder (diffusers) or file (for WebUIs)",
        decides=False, words=tuple(model_files.FORMS),
    )  # fmt: skip

    def deciding(self) -> Mapping[str, Any]:
        """Return what recipes of fine-tunes hold: none of these."""
        return _ALWAYS


def attach(base: Base, family: Family, config: Config) -> None:
    """Let the network itself learn, and the text encoders where they are asked for."""
    for part, module in learning_parts(base, config).items():
        for name, weight in module.named_parameters(prefix=part):
            weight.requires_grad_(learns(name, family, config))


def sizes(config: Config, family: Family, shapes: Shapes) -> Sizes:
    """Return how many numbers learn; every one of the base model is written."""
    learn, every = (
        sum(prod(shape) for found in each.values() for shape in found.values())
        for each in (learning_shapes(config, family, shapes), shapes)
    )
    return Sizes(learn, every)


def publish(export: Export) -> None:
    """Write the whole model; see `Publish`."""
    config = export.config
    model = model_files.Model(
        export.base, export.source, export.family.layout, config.save_precision
    )
    write = model_files.FORMS[config.own_as(FinetuneOptions).save_as]
    write(export.path, model, export.metadata)


def apply(path: Path, base: Base, family: Family) -> None:
    """Give the base model an export's numbers."""
    model_files.apply(path, base, family.layout)


METHOD = Method(
    name="finetune",
    about="Train the whole U-Net on the samples of META, and the text encoder where asked.",
    made="a fine-tune of",
    known_as=("fine_tune", "fine-tune"),
    options=FinetuneOptions,
    usual_rate=1e-5,
    # Small steps are rounded away in half precision: only where it is asked for.
    precision=lambda config: HALVES.get(config.full(), "float32"),
    attach=attach,
    sizes=sizes,
    ending=lambda config: (
        "" if config.own_as(FinetuneOptions).save_as == "folder" else ".safetensors"
    ),
    publish=publish,
    apply=apply,
    shards=True,
    metadata=lambda config: {},
    form=lambda config: config.own_as(FinetuneOptions).save_as,
)
