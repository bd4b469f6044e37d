"""Random numbers that are computed from what they are for, and never carried."""

from typing import TYPE_CHECKING

from prep.runtime.seeds import seed_for

if TYPE_CHECKING:
    from torch import Generator


def generator_for(seed: int, purpose: str, *of: int | str) -> "Generator":
    """Return torch's generator on the CPU of a seed, a purpose, and what else decides it."""
    import torch

    return torch.Generator("cpu").manual_seed(seed_for(seed, purpose, *of))
