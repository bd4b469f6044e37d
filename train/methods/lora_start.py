"""A LoRA that goes on from a file: whether it fits, and its first numbers."""

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import NamedTuple

from prep.models import safetensors_file
from prep.runtime.errors import ConfigError
from train.adapters import adapter_file, finite_numbers, lora_layers
from train.config import Config
from train.families.family import Base, Family
from train.families.lora_layout import layout_of
from train.methods.adapter_options import AdapterOptions, endings_of
from train.methods.method import Shapes, learning_shapes


class _PairShape(NamedTuple):
    """The sizes of a module's pair."""

    rank: int
    inputs: int
    outputs: int


def check_start(path: Path, config: Config, family: Family, shapes: Shapes) -> None:
    """Raise where a training cannot go on from a file; its header and its numbers are read.

    Args:
        shapes: Of the base model's weights by part and name; where they are not known nothing but
            the file itself is looked at.

    Raises:
        ModelFileError: It is missing, damaged, no LoRA, or one for another kind of model.
        ConfigError: Its modules, or their ranks, are others than those that will learn.
    """
    read = adapter_file.check(path)
    adapter_file.check_kind(path, family)
    finite_numbers.check_finite(path)
    if read.changed or read.unread:
        told = f"`--start-from` is `{path}`, which holds more than the pairs of a LoRA"
        raise ConfigError(told, "name a LoRA")
    wanted = dict(_wanted(config, family, shapes)) if shapes else {}
    for what, hint in _differences(path, read, wanted) if wanted else ():
        raise ConfigError(f"`--start-from` is `{path}`, and {what}", hint)


def _wanted(config: Config, family: Family, shapes: Shapes) -> Iterator[tuple[str, _PairShape]]:
    """Yield the modules that will learn, by their names in a file."""
    own = config.own_as(AdapterOptions)
    for part, found in learning_shapes(config, family, shapes).items():
        dotted = tuple(f".{one}.weight" for one in endings_of(part, family, config))
        for name, shape in found.items():
            if name.endswith(dotted):
                module = f"{part}.{name}" if part else name
                size = _PairShape(
                    own.size_for(shape, family.block(module)).rank, prod(shape[1:]), shape[0]
                )
                yield family.export_name(module.removesuffix(".weight")), size


def _differences(
    path: Path, read: adapter_file.Sorted, wanted: Mapping[str, _PairShape]
) -> Iterator[tuple[str, str]]:
    """Yield what of a file is otherwise than what will learn, and what to do."""
    places = safetensors_file.header(path).tensors
    own = layout_of(places)
    for word in sorted({*read.modules, *read.torn, *wanted}):
        if word not in wanted:
            yield f"`{word}` does not learn here", "give the `--targets` and encoders that it has"
        elif word not in read.modules:
            yield f"it has nothing for `{word}`", "give the `--targets` and encoders that it has"
        else:
            down, up = places[word + own.down].shape, places[word + own.up].shape
            found = _PairShape(down[0], prod(down[1:]), up[0])
            if found[1:] != wanted[word][1:]:
                yield f"`{word}` has another shape in the base model", "name its base model"
            elif found != wanted[word]:
                what = f"`{word}` has the rank {found.rank}, not {wanted[word].rank}"
                yield what, "give its rank: `--rank`, `--conv-rank`, `--block-ranks`"


def begin(path: Path, base: Base, family: Family) -> None:
    """Give the pairs of a base model the numbers of a file: it acts as the file does.

    Where alpha over rank is another one than in the file, the up weights make up for it.
    """
    import torch

    words = {name: family.export_name(name) for name in lora_layers.of_base(base)}
    saved = adapter_file.pairs(path, words.values())
    layers = dict(lora_layers.layers(base))
    with torch.no_grad():
        for name, pair in lora_layers.of_base(base).items():
            down, up, scale = saved[words[name]]
            pair.down.copy_(down.reshape(pair.down.shape))
            by = scale / layers[name].scaling[lora_layers.ADAPTER]
            pair.up.copy_(up.reshape(pair.up.shape).float() * by)
