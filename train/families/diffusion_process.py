"""Diffusion: noise is added in steps, and the network says the noise, or v.

Letters: B batch, C channels, H and W height and width of latents, T timesteps.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.runtime.errors import ModelFileError
from prep.runtime.files import content
from train.families.noise_process import Prediction, Process, ProcessKind, share
from train.generators import generator_for
from train.sampler_rows import SAMPLERS
from train.timestep_options import USUAL, Density

if TYPE_CHECKING:
    from torch import Tensor


_NOTHING = 1e-6  # an alpha_bar that is as good as zero; that of Stable Diffusion ends at 0.0047
# What schedulers take for nothing, since they divide by it. Source: diffusers 0.42.1, all of those
# that have `rescale_betas_zero_snr`.
_LEAST = 2**-24


@dataclass(frozen=True)
class Diffusion:
    """Noise is added step by step, T of them.

    Attributes:
        alpha_bar_T: Cumulative product of 1 - beta per timestep, float32, on the CPU.
        prediction: What this very model was trained to output.
        trailing: Whether sampling begins at the very last timestep: of a schedule that ends in
            noise alone (zero terminal SNR) every other start would leave a grey cast.
        spacing: Which timesteps schedulers of diffusers take, in their own words, if they are not
            trailing; None where the config names none, for the usual ones of each scheduler.

    Source:
        Mixture: Ho et al. 2020, eq. 4. v: Salimans and Ho 2022, section 4. Zero terminal SNR: Lin
        et al. 2024.
    """

    alpha_bar_T: "Tensor"
    prediction: Prediction
    trailing: bool = False
    spacing: str | None = None

    def time(self, seed: int, step: int, place: int, density: Density = USUAL) -> float:
        """Return a timestep of 0 .. T - 1, by default uniform over them."""
        import torch

        low, high = density.within or (0, len(self.alpha_bar_T))
        high = min(high, len(self.alpha_bar_T))
        low = min(low, high - 1)
        if density.kind not in ("usual", "uniform"):
            return low + int(share(seed, step, place, density, density.kind) * (high - low))
        generator = generator_for(seed, "timestep", step, place)
        return int(torch.randint(low, high, (), generator=generator))

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

    def depth(self, time_B: "Tensor") -> "Tensor":
        """Return t / T."""
        return time_B / len(self.alpha_bar_T)

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
            noise, as SD 1.x asks (`set_alpha_to_one` false). A step goes to the next timestep of
            the drawing; diffusers' DDIMScheduler goes back by T // steps whatever comes next, which
            is the same but where trailing timesteps had to be rounded.
        """
        found = self.unmixed(mixed_BCHW, answer_BCHW, self.times([now]))
        alpha_bar = self.alpha_bar_T[int(then or 0)]
        return alpha_bar.sqrt() * found[0] + (1 - alpha_bar).sqrt() * found[1]

    def scheduler_facts(self) -> dict[str, Any]:
        """Return the betas that alpha_bar is the product of, the prediction, and the timesteps."""
        alpha_bar_T = self.alpha_bar_T.double().clamp(min=_LEAST)
        before_T = alpha_bar_T.roll(1)
        before_T[0] = 1.0
        betas = (1 - alpha_bar_T / before_T).float().tolist()
        spacing = "trailing" if self.trailing else self.spacing
        return {
            "num_train_timesteps": len(betas),
            "trained_betas": betas,
            "prediction_type": self.prediction.value,
            "steps_offset": 1,  # of `leading`, as in `falling`
            **({"timestep_spacing": spacing} if spacing else {}),
        }

    def ends_in_noise(self) -> bool:
        """Return whether nothing of the latents is left at the last timestep."""
        return bool(self.alpha_bar_T[-1] < _NOTHING)

    def _shares(self, time_B: "Tensor", like: "Tensor") -> "tuple[Tensor, Tensor]":
        """Return the shares of latents and noise, shape (B, 1, 1, 1), on the device of `like`."""
        alpha_bar_B = self.alpha_bar_T[time_B].to(like.device)
        a_B111 = alpha_bar_B.sqrt().view(-1, 1, 1, 1)
        return a_B111, (1 - alpha_bar_B).sqrt().view(-1, 1, 1, 1)


def _spacing(said: Any) -> str | None:
    """Return the timesteps that a config names; None for none.

    Raises:
        ValueError: No scheduler knows them.
    """
    if said not in (None, "leading", "trailing", "linspace"):
        raise ValueError(f"timesteps are `{said}`")
    return said  # type: ignore[no-any-return]


def ends_in_noise(process: Process) -> bool:
    """Return whether a process is a diffusion that leaves nothing of the latents at last."""
    return isinstance(process, Diffusion) and process.ends_in_noise()


# How a person names a prediction.
PREDICTIONS = {"epsilon": Prediction.EPSILON, "v": Prediction.V_PREDICTION}


def predicting(process: Process, wish: str | None) -> Process:
    """Return a process of what a person says that the network predicts; the same without a wish."""
    if not wish or not isinstance(process, Diffusion):
        return process
    return replace(process, prediction=PREDICTIONS[wish])


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
        spacing = config.get("timestep_spacing")
        trailing = rescale or spacing == "trailing"
        return Diffusion(schedule.alphas_cumprod, prediction, trailing, _spacing(spacing))
    except (OSError, ValueError, TypeError, AttributeError, NotImplementedError) as error:
        raise ModelFileError(
            f"`{path}` is not a noise schedule: {error}", "fetch the base model's files again"
        ) from None


DIFFUSION = ProcessKind(diffusion_of, SAMPLERS)
