"""Several LoRAs of one family as one: side by side, or cut to a rank by their singular values."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prep.models.stored_tensors import StoredTensor
from prep.runtime.errors import ModelFileError
from train.block_rates import rate_of
from train.convert import low_rank
from train.convert.lora_modules import ALPHA, DOWN, UP, Lora, Module, is_pair, scale_of
from train.convert.low_rank import Cut
from train.convert.write_weights import FLOATS, Spill, checked

if TYPE_CHECKING:
    from torch import Tensor


class Share(NamedTuple):
    """A LoRA, and how strongly it acts.

    Attributes:
        blocks: Name of a block or group -> how strongly it acts there besides.
    """

    lora: Lora
    weight: float
    blocks: Mapping[str, float]

    def factor(self, module: str) -> float:
        """Return how strongly a module of it acts."""
        family = self.lora.family
        block = family.block(module.removeprefix(f"{family.network}."))
        return self.weight * rate_of(block, self.blocks)


def check_alike(shares: Sequence[Share]) -> None:
    """Raise ModelFileError unless LoRAs are of one family, and of one model's modules."""
    first, shapes = shares[0].lora, dict[str, tuple[tuple[int, ...], Path]]()
    for share in shares:
        lora = share.lora
        if lora.family is not first.family:
            raise ModelFileError(
                f"`{first.path}` is for {first.family.name}, and `{lora.path}` for "
                f"{lora.family.name}",
                "merge LoRAs of one family",
            )
        for name, module in lora.modules.items():
            if not is_pair(module):
                continue
            shape, path = shapes.setdefault(name, (shape_of(module), lora.path))
            if plain(shape) != plain(shape_of(module)):
                raise ModelFileError(
                    f"`{path}` and `{lora.path}` are for other models: `{name}` is {shape} and "
                    f"{shape_of(module)}",
                    "merge LoRAs of one base model",
                )


def check_pairs(shares: Sequence[Share]) -> None:
    """Raise ModelFileError where a LoRA has another kind of adapter than pairs."""
    for share in shares:
        if others := share.lora.others():
            kinds = " and ".join(sorted(set(others.values())))
            raise ModelFileError(
                f"`{share.lora.path}` is a {kinds}, which is no pair that others can stand beside",
                "put it into a model: `--into BASE`",
            )


def shape_of(module: Module) -> tuple[int, ...]:
    """Return the shape of the weight that a pair is for."""
    return (module[UP].shape[0], *module[DOWN].shape[1:])


def plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without the axes of a kernel of one pixel: files have the one or the other."""
    return shape[:2] if shape[2:] == (1, 1) else shape


def side_by_side(shares: Sequence[Share]) -> dict[str, Module]:
    """Return modules that add exactly what all pairs add together; ranks add up.

    Where all pairs of a module act with one scale, their numbers stay as they are.
    """
    names = sorted({name for share in shares for name in share.lora.modules})
    return {name: _joined(name, [one for one in shares if name in one.lora.modules])
            for name in names}  # fmt: skip


def _joined(name: str, shares: Sequence[Share]) -> Module:
    each = [_read(one.lora, name) for one in shares]
    scales = [scale_of(m) * one.factor(name) for m, one in zip(each, shares, strict=True)]
    shape = shape_of(each[0])
    ranks = [module[DOWN].shape[0] for module in each]
    common = scales[0] if len(set(scales)) == 1 else 1.0
    by = [1.0] * len(scales) if len(set(scales)) == 1 else scales
    kind = _widest([module[DOWN].dtype for module in each])
    total, ones = sum(ranks), [1] * (len(shape) - 2)
    return {
        DOWN: StoredTensor(
            kind, (total, *shape[1:]), lambda: _downs([m[DOWN].read() for m in each], shape)
        ),
        UP: StoredTensor(
            kind, (shape[0], total, *ones), lambda: _ups([m[UP].read() for m in each], by, ones)
        ),
        ALPHA: StoredTensor("F32", (), lambda: number(common * total)),
    }


def _read(lora: Lora, name: str) -> Module:
    return checked(lora.modules[name], lora.path)


def _widest(kinds: Sequence[str]) -> str:
    """Return the most exact of some dtypes; of two halves, float32."""
    two = {"F16", "BF16"}
    return "F32" if two <= set(kinds) else min(kinds, key=lambda kind: _order(kind))


def _order(kind: str) -> int:
    return FLOATS.index(kind) if kind in FLOATS else len(FLOATS)


def _downs(each: "Sequence[Tensor]", shape: tuple[int, ...]) -> "Tensor":
    import torch

    return torch.cat([one.float().reshape(len(one), *shape[1:]) for one in each])


def _ups(each: "Sequence[Tensor]", by: Sequence[float], ones: Sequence[int]) -> "Tensor":
    import torch

    flat = [one.float().flatten(1) if n == 1.0 else (one.double().flatten(1) * n).float()
            for one, n in zip(each, by, strict=True)]  # fmt: skip
    whole = torch.cat(flat, dim=1)
    return whole.reshape(*whole.shape, *ones)


def number(value: float) -> "Tensor":
    """Return a number as a tensor, float32."""
    import torch

    return torch.tensor(value, dtype=torch.float32)


def cut(modules: Mapping[str, Module], how: Cut, spill: Spill) -> dict[str, float]:
    """Write pairs of less rank into `spill`, by the names `module/ending`.

    Returns:
        The share of the squared Frobenius norm that is kept of each module.
    """
    kept = {}
    for name, module in modules.items():
        less = low_rank.of_pair(module[DOWN].read(), module[UP].read(), scale_of(module), how)
        spill.add(f"{name}/{DOWN}", less.down)
        spill.add(f"{name}/{UP}", less.up)
        spill.add(f"{name}/{ALPHA}", number(len(less.down)))
        kept[name] = less.energy
    return kept


def spilled(spill: Spill) -> dict[str, Module]:
    """Return the modules that `cut` wrote."""
    found: dict[str, dict[str, StoredTensor]] = {}
    for word, one in spill.tensors.items():
        name, _, ending = word.partition("/")
        found.setdefault(name, {})[ending] = one
    return dict(found)
