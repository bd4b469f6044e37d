"""Between noise and latents: what a network is shown at a time, and what it must answer.

A process knows no network and no file but the scheduler's config. Letters: B batch, C channels,
H and W height and width of latents, T timesteps.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from prep.runtime.errors import ModelFileError
from prep.runtime.files import content
from prep.runtime.seeds import seed_for

if TYPE_CHECKING:
    from torch import Tensor


_NOTHING = 1e-6  # an alpha_bar that is as good as zero; that of Stable Diffusion ends at 0.0047


class Prediction(StrEnum):
    """What a network says of a mixture of latents and noise."""

    EPSILON = "epsilon"
    V_PREDICTION = "v_prediction"
    FLOW = "flow"


class Process(Protocol):
    """How latents become noise, and what a network is asked on the way back.

    A time is a number as the network is given it.
    """

    @property
    def prediction(self) -> Prediction:
        """What the network says of a mixture."""

    def time(self, seed: int, step: int, place: int, density: str = "usual") -> float:
        """Return the time of a sample of a step, drawn from all that there are.

        Args:
            step: From 0.
            place: Index of the sample in the whole batch of the step.
            density: uniform, logit-normal, or usual: the one that is usual for the process.
        """

    def times(self, drawn: "list[float]") -> "Tensor":
        """Return times as the network takes them, shape (B,)."""

    def mixture(self, x0_BCHW: "Tensor", noise_BCHW: "Tensor", time_B: "Tensor") -> "Tensor":
        """Return latents mixed with noise, float32."""

    def target(self, x0_BCHW: "Tensor", noise_BCHW: "Tensor", time_B: "Tensor") -> "Tensor":
        """Return what the network must say of the mixture, float32."""

    def unmixed(
        self, mixed_BCHW: "Tensor", answer_BCHW: "Tensor", time_B: "Tensor"
    ) -> "tuple[Tensor, Tensor]":
        """Return the latents and the noise that an answer means, float32."""

    def snr(self, time_B: "Tensor") -> "Tensor":
        """Return the ratio of signal to noise, as variances, shape (B,)."""

    def middle(self) -> float:
        """Return a time half way."""

    def falling(self, steps: int) -> list[float]:
        """Return the times of a drawing of so many steps, from noise on."""

    def earlier(
        self, mixed_BCHW: "Tensor", answer_BCHW: "Tensor", now: float, then: float | None
    ) -> "Tensor":
        """Return a mixture with less noise, without randomness.

        Args:
            now: The time that it has.
            then: The time that it shall have; None for the end.
        """

    def scheduler_facts(self) -> dict[str, Any]:
        """Return what a scheduler of diffusers has to be told of it."""


@dataclass(frozen=True)
class ProcessKind:
    """A kind of process, as a family names it in its row.

    Attributes:
        read: (folder of a scheduler, prediction where it names none) -> process.
        samplers: The ways to draw beside the process's own, by the names of kohya's scripts:
            diffusers' class, and what it is told beside `Process.scheduler_facts`.
    """

    read: Callable[[Path, Prediction], Process]
    samplers: Mapping[str, tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Diffusion:
    """Noise is added step by step, T of them.

    Attributes:
        alpha_bar_T: Cumulative product of 1 - beta per timestep, float32, on the CPU.
        prediction: What this very model was trained to output.
        trailing: Whether sampling begins at the very last timestep: of a schedule that ends in
            noise alone (zero terminal SNR) every other start would leave a grey cast.

    Source:
        Mixture: Ho et al. 2020, eq. 4. v: Salimans and Ho 2022, section 4. Zero terminal SNR: Lin
        et al. 2024.
    """

    alpha_bar_T: "Tensor"
    prediction: Prediction
    trailing: bool = False

    def time(self, seed: int, step: int, place: int, density: str = "usual") -> float:
        """Return a timestep of 0 .. T - 1, by default uniform over them."""
        import torch

        count = len(self.alpha_bar_T)
        if density == "logit-normal":
            return int(share(seed, step, place, normal=True) * count)
        generator = torch.Generator("cpu").manual_seed(seed_for(seed, "timestep", step, place))
        return int(torch.randint(0, count, (), generator=generator))

    def times(self, drawn: "list[float]") -> "Tensor":
        """Return whole numbers, int64."""
        import torch

        return torch.tensor(drawn, dtype=torch.int64)

    def mixture(self, x0_BCHW: "Tensor", noise_BCHW: "Tensor", time_B: "Tensor") -> "Tensor":
        """Return `a x0 + s noise`."""
        a_B111, s_B111 = self._shares(time_B, x0_BCHW)
        return a_B111 * x0_BCHW + s_B111 * noise_BCHW

    def target(self, x0_BCHW: "Tensor", noise_BCHW: "Tensor", time_B: "Tensor") -> "Tensor":
        """Return the noise, or v."""
        if self.prediction is Prediction.EPSILON:
            return noise_BCHW
        a_B111, s_B111 = self._shares(time_B, x0_BCHW)
        return a_B111 * noise_BCHW - s_B111 * x0_BCHW

    def unmixed(
        self, mixed_BCHW: "Tensor", answer_BCHW: "Tensor", time_B: "Tensor"
    ) -> "tuple[Tensor, Tensor]":
        """Return x0 as Song et al. 2021 (DDIM), eq. 9, and the noise."""
        a_B111, s_B111 = self._shares(time_B, mixed_BCHW)
        if self.prediction is Prediction.EPSILON:
            return (mixed_BCHW - s_B111 * answer_BCHW) / a_B111, answer_BCHW
        x0_BCHW = a_B111 * mixed_BCHW - s_B111 * answer_BCHW
        return x0_BCHW, a_B111 * answer_BCHW + s_B111 * mixed_BCHW

    def snr(self, time_B: "Tensor") -> "Tensor":
        """Return alpha_bar / (1 - alpha_bar)."""
        alpha_bar_B = self.alpha_bar_T[time_B]
        return alpha_bar_B / (1 - alpha_bar_B)

    def middle(self) -> float:
        """Return T / 2."""
        return len(self.alpha_bar_T) // 2

    def falling(self, steps: int) -> list[float]:
        """Return timesteps: `leading`, one off zero, as SD 1.x has them, or `trailing`."""
        count = len(self.alpha_bar_T)
        steps = min(steps, count)
        if self.trailing:
            return [round(count * n / steps) - 1 for n in range(steps, 0, -1)]
        width = count // steps
        return [min(n * width + 1, count - 1) for n in reversed(range(steps))]

    def earlier(
        self, mixed_BCHW: "Tensor", answer_BCHW: "Tensor", now: float, then: float | None
    ) -> "Tensor":
        """Return a step of DDIM.

        Source:
            Song et al. 2021 (DDIM), eq. 12 with sigma 0; the last step ends at the first timestep's
            noise, as SD 1.x asks (`set_alpha_to_one` false).
        """
        found = self.unmixed(mixed_BCHW, answer_BCHW, self.times([now]))
        alpha_bar = self.alpha_bar_T[int(then or 0)]
        return alpha_bar.sqrt() * found[0] + (1 - alpha_bar).sqrt() * found[1]

    def scheduler_facts(self) -> dict[str, Any]:
        """Return the betas that alpha_bar is the product of, and the prediction."""
        alpha_bar_T = self.alpha_bar_T.double()
        before_T = alpha_bar_T.roll(1)
        before_T[0] = 1.0
        betas = (1 - alpha_bar_T / before_T).float().tolist()
        return {
            "num_train_timesteps": len(betas),
            "trained_betas": betas,
            "prediction_type": self.prediction.value,
        }

    def ends_in_noise(self) -> bool:
        """Return whether nothing of the latents is left at the last timestep."""
        return bool(self.alpha_bar_T[-1] < _NOTHING)

    def _shares(self, time_B: "Tensor", like: "Tensor") -> "tuple[Tensor, Tensor]":
        """Return the shares of latents and noise, shape (B, 1, 1, 1), on the device of `like`."""
        alpha_bar_B = self.alpha_bar_T[time_B].to(like.device)
        a_B111 = alpha_bar_B.sqrt().view(-1, 1, 1, 1)
        return a_B111, (1 - alpha_bar_B).sqrt().view(-1, 1, 1, 1)


def share(seed: int, step: int, place: int, *, normal: bool) -> float:
    """Return the share of all times that is drawn for a sample of a step, in [0, 1).

    Args:
        normal: Whether it is logit-normal, of mean 0 and deviation 1; else uniform.

    Source:
        Esser et al. 2024, eq. 19; diffusers 0.42.1, `compute_density_for_timestep_sampling`.
    """
    import torch

    generator = torch.Generator("cpu").manual_seed(seed_for(seed, "timestep", step, place))
    if not normal:
        return float(torch.rand((), generator=generator))
    return min(float(torch.randn((), generator=generator).sigmoid()), 1 - 2**-24)


# How a person names a prediction.
PREDICTIONS = {"epsilon": Prediction.EPSILON, "v": Prediction.V_PREDICTION}


def predicting(process: Process, wish: str | None) -> Process:
    """Return a process of what a person says that the network predicts; the same without a wish."""
    if not wish or not isinstance(process, Diffusion):
        return process
    return replace(process, prediction=PREDICTIONS[wish])


def errors(predicted_BCHW: "Tensor", target_BCHW: "Tensor") -> "Tensor":
    """Return each sample's mean squared error, shape (B,)."""
    return (predicted_BCHW - target_BCHW).square().mean(dim=(1, 2, 3))


def diffusion_of(folder: Path, otherwise: Prediction, rescaled: bool = False) -> Diffusion:
    """Return the process that a scheduler's folder describes.

    Args:
        folder: Holds `scheduler_config.json` of any diffusers scheduler.
        otherwise: The prediction where the config names none.
        rescaled: Whether the schedule ends in noise alone, whatever the config says.

    Raises:
        ModelFileError: The config is missing, damaged, or names a prediction we do not know.
    """
    from diffusers import DDPMScheduler

    kind: Any = DDPMScheduler  # its class is typed only in part
    path = folder / "scheduler_config.json"
    try:
        config = json.loads(content(path))
        prediction = Prediction(config.get("prediction_type", otherwise))
        words = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas")
        given = {word: config[word] for word in words if word in config}
        rescale = rescaled or bool(config.get("rescale_betas_zero_snr", False))
        schedule = kind(**given, rescale_betas_zero_snr=rescale)
        trailing = rescale or config.get("timestep_spacing") == "trailing"
        return Diffusion(schedule.alphas_cumprod, prediction, trailing)
    except (OSError, ValueError, TypeError, AttributeError, NotImplementedError) as error:
        raise ModelFileError(
            f"`{path}` is not a noise schedule: {error}", "fetch the base model's files again"
        ) from None


DIFFUSION = ProcessKind(
    read=diffusion_of,
    # Source: kohya-ss/sd-scripts (commit 48d368fa), library/train_util.py, get_my_scheduler.
    samplers={
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
    },
)
