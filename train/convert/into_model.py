"""LoRAs, and other adapters, added to the weights of a base model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from prep.models.stored_tensors import StoredTensor
from prep.runtime.counts import counted
from prep.runtime.errors import ModelFileError
from train.adapters.adapter_kinds import whole_kind
from train.convert.base_model import BaseModel
from train.convert.lora_modules import ALPHA, Lora, Module, is_pair, pair_of
from train.convert.merge_loras import Share, plain, shape_of
from train.convert.write_weights import checked

if TYPE_CHECKING:
    from torch import Tensor


def added(model: BaseModel, shares: Sequence[Share]) -> BaseModel:
    """Return a model whose weights have what LoRAs add to them; nothing is computed yet.

    Raises:
        ModelFileError: A LoRA is of another family, or has modules that the model has not.
    """
    for share in shares:
        _check_fits(model, share.lora)
    parts = {part: dict(each) for part, each in model.parts.items()}
    names = sorted({name for share in shares for name in share.lora.modules})
    for name in names:
        part, _, inner = name.partition(".")
        own = [(share, share.lora.modules[name]) for share in shares if name in share.lora.modules]
        each = [(checked(module, share.lora.path), share.factor(name)) for share, module in own]
        weight = parts[part][f"{inner}.weight"]
        parts[part][f"{inner}.weight"] = _changed(
            checked({f"{name}.weight": weight}, model.path)[f"{name}.weight"], each
        )
    return replace(model, parts=parts)


def _changed(weight: StoredTensor, each: Sequence[tuple[Module, float]]) -> StoredTensor:
    def read() -> "Tensor":
        found = weight.read().float()
        for module, factor in each:
            found = _with(found, module, factor)
        return found

    return StoredTensor(weight.dtype, weight.shape, read)


def _with(weight: "Tensor", module: Module, factor: float) -> "Tensor":
    """Return a weight with what a module adds, so many times; float32."""
    import torch

    from train.adapters.weight_rules import change

    if is_pair(module):
        down, up, scale = pair_of(module)
        rows = up.float().flatten(1) * (scale * factor)
        return torch.addmm(weight.flatten(1), rows, down.float().flatten(1)).reshape(weight.shape)
    tensors = {ending: one.read().float() for ending, one in module.items()}
    return weight + change(tensors, weight) * factor


def _check_fits(model: BaseModel, lora: Lora) -> None:
    if lora.family is not model.family:
        raise ModelFileError(
            f"`{lora.path}` is for {lora.family.name}, and `{model.name}` is of the kind "
            f"{model.family.name}",
            "name the base model that it was made for",
        )
    wrong = 0
    for name, module in lora.modules.items():
        part, _, inner = name.partition(".")
        weight = model.parts.get(part, {}).get(f"{inner}.weight")
        wrong += weight is None or not _fits(module, weight.shape)
    if wrong:
        raise ModelFileError(
            f"`{lora.path}` is for another model: {wrong} of its "
            f"{counted(len(lora.modules), 'module')} "
            f"{'does' if wrong == 1 else 'do'} not fit `{model.name}`",
            "name the base model that it was made for",
        )


def _fits(module: Mapping[str, StoredTensor], shape: tuple[int, ...]) -> bool:
    if is_pair(module):
        return plain(shape_of(module)) == plain(shape)
    shapes = {ending: one.shape for ending, one in module.items() if ending != ALPHA}
    kind = whole_kind(shapes)
    return kind is not None and kind.fits(shape)
