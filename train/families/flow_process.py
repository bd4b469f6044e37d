"""Rectified flow: latents and noise on a straight line, whose direction the network says.

Letters: B batch, C channels, H and W height and width of latents.

Source: Esser et al. 2024 (Stable Diffusion 3), sections 2, 3.1 and 5.3.2; the schedule of
FlowMatchEulerDiscreteScheduler of diffusers 0.42.1.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.runtime.errors import ModelFileError
from prep.runtime.files import content
from train.families.noise_process import Prediction, Process, ProcessKind, share
from train.sampler_rows import FLOW_SAMPLERS
from train.timestep_options import USUAL, Density

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Flow:
    """A time t mixes t / T of noise with the rest of latents: sigma and 1 - sigma.

    Attributes:
        shift: How far sigmas are moved towards noise, for larger pictures: sigma becomes
            `shift sigma / (1 + (shift - 1) sigma)`.
        count: T, the largest time: noise alone.
    """

    shift: float = 3.0
    count: int = 1000
    prediction: Prediction = Prediction.FLOW

    def time(self, seed: int, step: int, place: int, density: Density = USUAL) -> float:
        """Return one of T times, by default logit-normal; then it is shifted.

        Of a range the density lies over its times, as far as they are from noise before the shift.
        A share counts from noise on: so the mean of a logit-normal one has its sign turned.

        Source:
            Esser et al. 2024, eq. 19 and 23; the choice of diffusers'
            examples/dreambooth/train_dreambooth_lora_sd3.py, in their order.
        """
        kind = "logit-normal" if density.kind == "usual" else density.kind
        turned = replace(density, mean=-density.mean)
        sigma = 1 - int(share(seed, step, place, turned, kind) * self.count) / self.count
        shift = density.shift or self.shift
        if density.within:
            low, high = (_unshifted(time / self.count, shift) for time in density.within)
            sigma = low + (high - low) * sigma
        return self.count * shift * sigma / (1 + (shift - 1) * sigma)

    def times(self, drawn: "list[float]") -> "Tensor":
        """Return numbers of float32: a time need not be whole."""
        import torch

        return torch.tensor(drawn, dtype=torch.float32)

    def mixture(self, x0_BCHW: "Tensor", noise_BCHW: "Tensor", time_B: "Tensor") -> "Tensor":
        """Return `(1 - sigma) x0 + sigma noise`."""
        sigma_B111 = self._sigma(time_B, x0_BCHW)
        return (1 - sigma_B111) * x0_BCHW + sigma_B111 * noise_BCHW

    def target(self, x0_BCHW: "Tensor", noise_BCHW: "Tensor", time_B: "Tensor") -> "Tensor":
        """Return `noise - x0`, whatever the time."""
        return noise_BCHW - x0_BCHW

    def unmixed(
        self, mixed_BCHW: "Tensor", answer_BCHW: "Tensor", time_B: "Tensor"
    ) -> "tuple[Tensor, Tensor]":
        """Return both ends of the line."""
        sigma_B111 = self._sigma(time_B, mixed_BCHW)
        x0_BCHW = mixed_BCHW - sigma_B111 * answer_BCHW
        return x0_BCHW, mixed_BCHW + (1 - sigma_B111) * answer_BCHW

    def snr(self, time_B: "Tensor") -> "Tensor":
        """Return (1 - sigma)^2 / sigma^2."""
        sigma_B = self.depth(time_B)
        return ((1 - sigma_B) / sigma_B).square()

    def depth(self, time_B: "Tensor") -> "Tensor":
        """Return the share of noise."""
        return time_B / self.count

    def middle(self) -> float:
        """Return T / 2."""
        return self.count / 2

    def falling(self, steps: int) -> list[float]:
        """Return the scheduler's own times."""
        from diffusers import FlowMatchEulerDiscreteScheduler

        kind: Any = FlowMatchEulerDiscreteScheduler  # its class is typed only in part
        scheduler = kind(self.count, self.shift)
        scheduler.set_timesteps(steps)
        found: list[float] = scheduler.timesteps.tolist()
        return found

    def earlier(
        self, mixed_BCHW: "Tensor", answer_BCHW: "Tensor", now: float, then: float | None
    ) -> "Tensor":
        """Return a step of Euler along the line, which is one of DDIM, too."""
        return mixed_BCHW + ((then or 0.0) - now) / self.count * answer_BCHW

    def scheduler_facts(self) -> dict[str, Any]:
        """Return T and the shift, by both names that schedulers have for it."""
        return {"num_train_timesteps": self.count, "shift": self.shift, "flow_shift": self.shift}

    def _sigma(self, time_B: "Tensor", like: "Tensor") -> "Tensor":
        """Return the share of noise, shape (B, 1, 1, 1), on the device of `like`."""
        return (time_B.to(like.device) / self.count).view(-1, 1, 1, 1)


def _unshifted(sigma: float, shift: float) -> float:
    """Return the sigma that is shifted to this one."""
    return sigma / (shift - (shift - 1) * sigma)


def flow_of(folder: Path, otherwise: Prediction) -> Process:
    """Return the process that a scheduler's folder describes.

    Args:
        folder: Holds `scheduler_config.json` of a FlowMatchEulerDiscreteScheduler.
        otherwise: Decides nothing: all flows predict alike.

    Raises:
        ModelFileError: The config is missing, damaged, or is of another kind of schedule.
    """
    path = folder / "scheduler_config.json"
    try:
        config = json.loads(content(path))
        kind = str(config["_class_name"])
        found = Flow(float(config.get("shift", 1.0)), int(config.get("num_train_timesteps", 1000)))
        dynamic = bool(config.get("use_dynamic_shifting"))
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise _no_flow(path, str(error)) from None
    if not kind.startswith("FlowMatch") or found.shift <= 0 or found.count <= 0:
        told = f"`{kind}` with a shift of {found.shift:g} and {found.count} timesteps"
        raise _no_flow(path, told)
    if dynamic:
        raise _no_flow(path, "its shift depends on the picture's size, which is not supported")
    return found


def _no_flow(path: Path, why: str) -> ModelFileError:
    return ModelFileError(
        f"`{path}` is not a flow schedule: {why}", "fetch the base model's files again"
    )


FLOW = ProcessKind(flow_of, FLOW_SAMPLERS, own_label="Euler")
