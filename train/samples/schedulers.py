"""The ways from noise to a picture that a prompt can name: kohya's names, diffusers' schedulers."""

import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from train.families.noise_process import Process

# Ours, without randomness; see `train.samples.sampler`.
DDIM = "ddim"
# Name -> diffusers' class, and what it is told besides the noise schedule.
# Source: kohya-ss/sd-scripts (commit 48d368fa), library/train_util.py, get_my_scheduler.
_KINDS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "ddpm": ("DDPMScheduler", {"clip_sample": False}),
        "pndm": ("PNDMScheduler", {"skip_prk_steps": True, "steps_offset": 1}),
        "euler": ("EulerDiscreteScheduler", {}),
        "euler_a": ("EulerAncestralDiscreteScheduler", {}),
        "dpmsolver": (
            "DPMSolverMultistepScheduler",
            {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"},
        ),
        "dpmsolver++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
        "dpmsingle": ("DPMSolverSinglestepScheduler", {}),
        "heun": ("HeunDiscreteScheduler", {}),
        "dpm_2": ("KDPM2DiscreteScheduler", {}),
        "dpm_2_a": ("KDPM2AncestralDiscreteScheduler", {}),
    }
)
NAMES = (DDIM, *_KINDS)


def opened(name: str, process: Process, device: str, steps: int) -> Any:
    """Return a scheduler of diffusers for a process, set to a number of steps.

    Args:
        name: One of `NAMES`, but for `DDIM`.
    """
    import diffusers

    kind, more = _KINDS[name]
    with warnings.catch_warnings():
        # Of NumPy and of diffusers about its own code: nobody here can act on them.
        warnings.simplefilter("ignore")
        made: Any = getattr(diffusers, kind)(**process.scheduler_facts(), **more)
        made.set_timesteps(steps, device=device)
    return made
