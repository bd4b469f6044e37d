"""Base models of one family added with weights, tensor by tensor, whatever their layouts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from prep.models.stored_tensors import StoredTensor
from prep.runtime.counts import first_few
from prep.runtime.errors import ModelFileError
from train.block_rates import rate_of
from train.convert.base_model import BaseModel
from train.convert.write_weights import checked

if TYPE_CHECKING:
    from torch import Tensor

_PIECE = 1 << 22  # numbers that are float32 at once


def merged(
    models: Sequence[BaseModel], weights: Sequence[float], blocks: Mapping[str, float]
) -> BaseModel:
    """Return the weighted sum of some models, in the form and dtype of the first.

    Args:
        weights: They sum to 1; a difference has a negative one: A + (B - C) is 1, 1, -1.
        blocks: Name of a block or group -> what the weights of all but the first are multiplied by
            there; the first one has the rest.

    Raises:
        ModelFileError: They are of several families, or have other tensors.
    """
    check_alike(models)
    first = models[0]
    family = first.family
    sources = [
        {part: checked(each, one.path) for part, each in one.parts.items()} for one in models
    ]
    parts = {
        part: {
            name: _sum(
                [one[part][name] for one in sources],
                _shares(weights, rate_of(_block(part, name, first), blocks)),
            )
            for name in each
        }
        for part, each in first.parts.items()
    }
    return replace(first, family=family, parts=parts)


def _block(part: str, name: str, model: BaseModel) -> str:
    """Return the block of a tensor; a part that has none goes by its folder's name."""
    family = model.family
    if part == family.network:
        return family.block(name)
    return family.block(f"{part}.{name}") if part in family.encoders else part


def _shares(weights: Sequence[float], factor: float) -> list[float]:
    others = [one * factor for one in weights[1:]]
    return [1 - sum(others), *others]


def _sum(each: Sequence[StoredTensor], shares: Sequence[float]) -> StoredTensor:
    """Return the sum of tensors, in float32 a piece at a time, in the dtype of the first.

    The first as it is where all others count nothing, and what is no number with a point.
    """
    first = each[0]
    if not any(shares[1:]) or not first.dtype.startswith(("F", "BF")):
        return first

    def read() -> "Tensor":
        found = first.read()
        flat, others = found.view(-1), [one.read().view(-1) for one in each[1:]]
        for start in range(0, len(flat), _PIECE):
            piece = slice(start, start + _PIECE)
            total = flat[piece].float() * shares[0]
            for other, share in zip(others, shares[1:], strict=True):
                total.add_(other[piece].float(), alpha=share)
            flat[piece] = total
        return found

    return StoredTensor(first.dtype, first.shape, read)


def check_alike(models: Sequence[BaseModel]) -> None:
    """Raise ModelFileError unless models are of one family and have the same tensors."""
    first, *others = models
    wanted = {name: one.shape for name, one in first.all().items()}
    for model in others:
        if model.family is not first.family:
            raise ModelFileError(
                f"`{first.name}` is of the kind {first.family.name}, and `{model.name}` of the "
                f"kind {model.family.name}",
                "name models of one family",
            )
        found = {name: one.shape for name, one in model.all().items()}
        if other := sorted(wanted.items() ^ found.items()):
            names = list(dict.fromkeys(f"`{name}`" for name, _ in other))
            raise ModelFileError(
                f"`{first.name}` and `{model.name}` have other tensors: {first_few(names)}",
                "name models of one family that are whole",
            )
