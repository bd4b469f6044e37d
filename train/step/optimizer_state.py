"""What an optimizer of any package remembers, read and put back so that no bit is another."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from train.step.shards import is_split, split_as

if TYPE_CHECKING:
    from torch import Tensor, nn


def states(optimizer: Any, weights: "Mapping[str, nn.Parameter]") -> dict[str, dict[str, Any]]:
    """Return what an optimizer remembers of each weight: word -> value.

    Not its `state_dict`: the 8-bit optimizers pack theirs into dicts of their own.
    """
    known = optimizer.state
    return {name: dict(known.get(weight, {})) for name, weight in weights.items()}


def groups(optimizer: Any) -> list[dict[str, Any]]:
    """Return what an optimizer knows of each group of weights: what is not as it began."""
    usual = optimizer.defaults
    return [
        {
            word: one
            for word, one in facts.items()
            if word != "params" and not (word in usual and _is(one, usual[word]))
        }
        for facts in optimizer.param_groups
    ]


def unround(kept: dict[str, Any], saved: Mapping[str, Any]) -> None:
    """Give what is kept of a weight more precisely than the weight its numbers back.

    Torch rounds them to the weight's precision where it loads them.

    Args:
        kept: What the optimizer remembers of the weight, after it was loaded.
        saved: The same as it was saved.
    """
    for word, value in saved.items():
        if word in kept and hasattr(value, "dtype") and kept[word].dtype != value.dtype:
            kept[word] = value.to(kept[word].device)


def laid_as(weight: "Tensor", tensor: "Tensor") -> "Tensor":
    """Return a copy of a tensor; one of the weight's shape lies in memory as the weight does.

    A fused optimizer goes through both as they lie, and would take other numbers without a word.
    """
    import torch

    if tensor.shape != weight.shape:
        return tensor.clone()
    if is_split(weight):
        return split_as(weight, tensor)
    return torch.empty_like(weight, dtype=tensor.dtype, device=tensor.device).copy_(tensor)


def as_it_was(before: Any, saved: Any) -> Any:
    """Return a value that JSON gave back in the type that it had: it knows lists alone."""
    return tuple(saved) if isinstance(before, tuple) else saved


def _is(one: Any, other: Any) -> bool:
    """Return whether two facts of a group are the same plain value; tensors never are."""
    return not hasattr(one, "dtype") and type(one) is type(other) and bool(one == other)
