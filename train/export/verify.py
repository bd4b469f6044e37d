"""A LoRA file is applied, by what it says alone, and compared with the model that was trained."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from train.adapters import lora_layers
from train.export.lora_file import ProofError
from train.export.rounding import as_saved
from train.families.family import Base, Family, PictureSizes

if TYPE_CHECKING:
    from torch import Tensor

# Answers differ by rounding alone where they differ by less than this share of the largest.
_TOLERANCE = 1e-3


def check_applied(path: Path, base: Base, family: Family, precision: str = "fp32") -> None:
    """Raise unless a file, applied by what it says alone, is the model that was trained.

    Args:
        precision: That the trained numbers were rounded to: fp32, fp16 or bf16.

    Names, tensors and scales are compared one by one. Then the base model answers with the file's
    adapter, whose names, shapes and alphas decide where and how strongly its numbers act, as in
    any other program; the trained weights are put back afterwards.

    Raises:
        ProofError: A name, a number, a scale or the answer differs.
    """
    from safetensors.torch import load_file

    saved = load_file(path)
    written = _as_written(base, family, precision)
    check_numbers(saved, written)
    kept = {
        name: (pair.down.data, pair.up.data) for name, pair in lora_layers.of_base(base).items()
    }
    scales = [(layer, layer.scaling[lora_layers.ADAPTER]) for _, layer in lora_layers.layers(base)]
    try:
        _round(base, family, written)
        wanted = _answers(base, family)
        _apply(saved, base, family)
        found = _answers(base, family)
    finally:
        for name, pair in lora_layers.of_base(base).items():
            pair.down.data, pair.up.data = kept[name]
        for layer, scale in scales:
            layer.scaling[lora_layers.ADAPTER] = scale
    if not all(_close(one, two) for one, two in zip(wanted, found, strict=True)):
        raise ProofError(OTHERWISE)


OTHERWISE = "the export does not do what the trained model does"


def _as_written(base: Base, family: Family, precision: str) -> "dict[str, Tensor]":
    """Return the tensors of a file that holds what was trained."""
    layers = dict(lora_layers.layers(base))
    found: dict[str, Tensor] = {}
    for name, pair in lora_layers.of_base(base).items():
        word, scale = family.export_name(name), layers[name].scaling[lora_layers.ADAPTER]
        found |= family.lora_layout.tensors(word, pair.down.cpu(), pair.up.cpu(), scale)
    return as_saved(found, precision)


def _round(base: Base, family: Family, written: "Mapping[str, Tensor]") -> None:
    """Give the trained weights the numbers that are written, at the scale that was trained with."""
    layers = dict(lora_layers.layers(base))
    for name, pair in lora_layers.of_base(base).items():
        down, up, scale = family.lora_layout.read(family.export_name(name), written)
        pair.down.data = down.to(pair.down)
        pair.up.data = up.to(pair.up) * (scale / layers[name].scaling[lora_layers.ADAPTER])


def check_numbers(saved: "Mapping[str, Tensor]", written: "Mapping[str, Tensor]") -> None:
    """Raise ProofError unless a file has the trained tensors and scales, and no others."""
    if saved.keys() != written.keys() or not all(
        _same(saved[name], tensor) for name, tensor in written.items()
    ):
        raise ProofError(OTHERWISE)


def _same(found: "Tensor", wanted: "Tensor") -> bool:
    """Return whether weights are the same to the bit, and an alpha but for rounding."""
    if wanted.ndim == 0:
        return math.isclose(found.item(), wanted.item(), rel_tol=1e-6)
    return bool((found == wanted).all())


def _close(one: "Tensor", two: "Tensor") -> bool:
    return bool(((one - two).abs() <= _TOLERANCE * one.abs().max()).all())


def apply(path: Path, base: Base, family: Family) -> None:
    """Give the adapter of a base model the numbers of an export: all of its names are in it."""
    from safetensors.torch import load_file

    _apply(load_file(path), base, family)


def _apply(saved: "Mapping[str, Tensor]", base: Base, family: Family) -> None:
    layers = dict(lora_layers.layers(base))
    for name, pair in lora_layers.of_base(base).items():
        down, up, scale = family.lora_layout.read(family.export_name(name), saved)
        # Copies: where a file's numbers lie in memory would decide the last bits of a product.
        pair.down.data = down.to(pair.down, copy=True)
        pair.up.data = up.to(pair.up, copy=True)
        layers[name].scaling[lora_layers.ADAPTER] = scale


def _answers(base: Base, family: Family) -> "list[Tensor]":
    """Return the states of a text and the network's prediction for fixed latents."""
    import torch

    generator = torch.Generator("cpu").manual_seed(0)
    shape, side = (1, family.space.channels, 16, 16), (128, 128)
    noise_BCHW = torch.randn(shape, generator=generator)
    weight = next(base.network.parameters())
    when_B = base.process.times([base.process.middle()]).to(base.device)
    halved = weight.dtype if weight.dtype != torch.float32 else torch.bfloat16
    kind = base.device.split(":")[0]
    with torch.no_grad(), torch.autocast(kind, halved, enabled=weight.dtype != torch.float32):
        (state,) = family.encode(base, ["a picture"])
        given = {name: one[None].to(base.device) for name, one in state.items()}
        given |= family.told([PictureSizes(side, (0, 0), side)], base.device)
        answer_BCHW = family.denoise(base.network, noise_BCHW.to(base.device), when_B, given)
    return [*given.values(), answer_BCHW]
