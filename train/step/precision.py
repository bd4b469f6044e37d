"""What numbers a step computes in."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

# torch's names of what mixed precision computes in.
HALVES = {"bf16": "bfloat16", "fp16": "float16"}


def halved(device: str, precision: str) -> AbstractContextManager[None]:
    """Return a block in which torch computes in half precision where the settings say so."""
    import torch

    kind = device.split(":")[0]
    dtype = getattr(torch, HALVES.get(precision, "bfloat16"))
    return torch.autocast(kind, dtype=dtype, enabled=precision in HALVES)


def keep_halved(weights: "Iterable[nn.Parameter]", precision: str) -> None:
    """Turn weights into numbers of a half precision, in place; leave them where it names none."""
    import torch

    if precision in HALVES:
        for weight in weights:
            weight.data = weight.data.to(getattr(torch, HALVES[precision]))
