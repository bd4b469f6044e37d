"""LoRAs of query, key and value, which single files of Stable Diffusion 3.5 have as one module.

The one is made of the three, and the three of the one, so that each adds what it added; and the
one that was parted is joined to the same numbers again.

Source: kohya-ss/sd-scripts, networks/lora_sd3.py, `split_qkv`: the downs one behind the other, the
ups as blocks on a diagonal.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from prep.models.stored_tensors import StoredTensor

if TYPE_CHECKING:
    from torch import Tensor

_DOWN, _UP, _ALPHA = "lora_down.weight", "lora_up.weight", "alpha"
Module = Mapping[str, StoredTensor]


def parted(names: Sequence[str], whole: Module) -> dict[str, Module]:
    """Return the pairs of the modules of a stack.

    Where each has rows of the down weight of its own, it gets those; else all have the same down
    weight. One whose up weight is zero beside others that are not has no pair.

    Args:
        names: Of the modules, in their order.
    """
    down, up = whole[_DOWN], whole[_UP]
    ups = up.read().chunk(len(names))
    acting = [n for n, one in enumerate(ups) if bool(one.any())] or list(range(len(names)))
    high = up.shape[0] // len(names)
    rows = {n: slice(n * high, (n + 1) * high) for n in acting}
    own = _columns([ups[n] for n in acting])
    if own is None:
        every = slice(0, down.shape[0])
        return {names[n]: {**whole, _UP: _cut(up, rows[n], every)} for n in acting}
    found: dict[str, Module] = {}
    for n, place in zip(acting, own, strict=True):
        share = (place.stop - place.start, down.shape[0])
        less = {_ALPHA: _less(whole[_ALPHA], *share)} if _ALPHA in whole else {}
        inner = _cut(down, place, slice(0, down.shape[1]))
        found[names[n]] = {_DOWN: inner, _UP: _cut(up, rows[n], place), **less}
    return found


def _columns(ups: "Sequence[Tensor]") -> list[slice] | None:
    """Return which columns are each up weight's own; None where they share some.

    As many for each, where these are zero outside of them; else those from its first on that is
    not zero up to the next one's.
    """
    if len(ups) == 1:
        return None
    used = [one.flatten(2).abs().amax((0, 2)) if one.ndim > 2 else one.abs().amax(0) for one in ups]
    rank, places = len(used[0]), [one.nonzero().flatten().tolist() for one in used]
    size, rest = divmod(rank, len(ups))
    alike = [n * size for n in range(len(ups))]
    firsts = [0, *(place[0] for place in places[1:] if place)]
    for starts in (alike if not rest else [], firsts):
        ends = [*starts[1:], rank]
        if len(starts) == len(ups) and all(
            start < end and all(start <= at < end for at in place)
            for start, end, place in zip(starts, ends, places, strict=True)
        ):
            return [slice(start, end) for start, end in zip(starts, ends, strict=True)]
    return None


def _cut(whole: StoredTensor, rows: slice, columns: slice) -> StoredTensor:
    sides = (rows.stop - rows.start, columns.stop - columns.start)
    shape = (*sides, *whole.shape[2:])
    return StoredTensor(whole.dtype, shape, lambda: whole.read()[rows, columns].contiguous())


def _less(alpha: StoredTensor, own: int, whole: int) -> StoredTensor:
    return StoredTensor(alpha.dtype, alpha.shape, lambda: alpha.read() * own / whole)


def stacked(names: Sequence[str], modules: Mapping[str, Module]) -> Module:
    """Return the one pair that adds what the pairs of the modules of a stack add.

    Args:
        names: Of all modules of the stack, in their order; some may have no pair.
    """
    import torch

    there = [modules[name] for name in names if name in modules]
    places = [n for n, name in enumerate(names) if name in modules]
    downs = [one[_DOWN].read() for one in there]
    alphas = [one[_ALPHA].read().item() if _ALPHA in one else None for one in there]
    first, high = there[0], there[0][_UP].shape[0] * len(names)
    if all(torch.equal(downs[0], one) for one in downs[1:]) and len(set(alphas)) == 1:
        shape = (high, *first[_UP].shape[1:])
        up = StoredTensor(first[_UP].dtype, shape, lambda: _above(there, places, shape))
        return {**first, _UP: up}
    ranks = [len(one) for one in downs]
    scales = [1.0 if a is None else a / rank for a, rank in zip(alphas, ranks, strict=True)]
    same = len(set(scales)) == 1  # else they become part of the up weights, and that of all is 1
    inner = StoredTensor(
        first[_DOWN].dtype,
        (sum(ranks), *first[_DOWN].shape[1:]),
        lambda: torch.cat([one[_DOWN].read() for one in there]),
    )
    size = (high, sum(ranks), *first[_UP].shape[2:])
    by = [1.0] * len(there) if same else scales
    outer = StoredTensor(
        first[_UP].dtype if same else "F32", size, lambda: _diagonal(there, places, size, by)
    )
    if alphas == [None] * len(alphas):
        return {_DOWN: inner, _UP: outer}
    alpha = next(one[_ALPHA] for one in there if _ALPHA in one)
    total = torch.full(alpha.shape, sum(ranks) * (scales[0] if same else 1.0))
    return {_DOWN: inner, _UP: outer, _ALPHA: StoredTensor(alpha.dtype, alpha.shape, lambda: total)}


def _above(there: Sequence[Module], places: Sequence[int], shape: tuple[int, ...]) -> "Tensor":
    """Return up weights one below the other, each at its own place, zero where there is none."""
    each = [one[_UP].read() for one in there]
    found, high = each[0].new_zeros(shape), len(each[0])
    for n, up in zip(places, each, strict=True):
        found[n * high : (n + 1) * high] = up
    return found


def _diagonal(
    there: Sequence[Module], places: Sequence[int], shape: tuple[int, ...], by: Sequence[float]
) -> "Tensor":
    """Return up weights as blocks on a diagonal, each times a number."""
    each = [one[_UP].read() for one in there]
    if any(number != 1.0 for number in by):
        each = [one.float() for one in each]
    found, high, at = each[0].new_zeros(shape), len(each[0]), 0
    for n, up, number in zip(places, each, by, strict=True):
        found[n * high : (n + 1) * high, at : at + up.shape[1]] = up * number
        at += up.shape[1]
    return found
