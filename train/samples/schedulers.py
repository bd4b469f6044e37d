"""The ways from noise to a picture that a prompt can name: kohya's names, diffusers' schedulers."""

import warnings
from typing import Any

from train.families import all_families
from train.families.family import Family
from train.families.noise_process import Process

# The process's own way, without randomness; see `train.samples.sampler`.
DDIM = "ddim"


def names() -> tuple[str, ...]:
    """Return the names of all ways there are, whatever the family."""
    found = [name for family in all_families().values() for name in family.process.samplers]
    return (DDIM, *dict.fromkeys(found))


def names_for(family: Family) -> tuple[str, ...]:
    """Return the names of the ways of a family."""
    return (DDIM, *family.process.samplers)


def opened(name: str, family: Family, process: Process, device: str, steps: int) -> Any:
    """Return a scheduler of diffusers for a process, set to a number of steps.

    Args:
        name: One of `names_for`, but for `DDIM`.
        process: Of a base model of the family.
    """
    import diffusers

    kind, more = family.process.samplers[name]
    with warnings.catch_warnings():
        # Of NumPy and of diffusers about its own code: nobody here can act on them.
        warnings.simplefilter("ignore")
        made: Any = getattr(diffusers, kind)(**process.scheduler_facts(), **more)
        made.set_timesteps(steps, device=device)
    return made
