"""What numbers a step computes in."""

from contextlib import AbstractContextManager

# torch's names of what mixed precision computes in.
HALVES = {"bf16": "bfloat16", "fp16": "float16"}


def halved(device: str, precision: str) -> AbstractContextManager[None]:
    """Return a block in which torch computes in half precision where the settings say so."""
    import torch

    kind = device.split(":")[0]
    dtype = getattr(torch, HALVES.get(precision, "bfloat16"))
    return torch.autocast(kind, dtype=dtype, enabled=precision in HALVES)
