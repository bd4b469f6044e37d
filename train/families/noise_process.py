"""Between noise and latents: what a network is shown, what it must answer, the noise schedule.

Letters: B batch, C channels, H and W height and width of latents, T timesteps.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.runtime.errors import ModelFileError
from prep.runtime.files import content

if TYPE_CHECKING:
    from torch import Tensor


class Prediction(StrEnum):
    """What a network says of a mixture of latents and noise."""

    EPSILON = "epsilon"
    V_PREDICTION = "v_prediction"


def noise_schedule(folder: Path, otherwise: Prediction) -> "tuple[Tensor, Prediction]":
    """Return alpha_bar, shape (T,), and the prediction, from a scheduler's folder.

    Args:
        folder: Holds `scheduler_config.json` of any diffusers scheduler.
        otherwise: The prediction where the config names none.

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
        rescale = bool(config.get("rescale_betas_zero_snr", False))
        schedule = kind(**given, rescale_betas_zero_snr=rescale)
    except (OSError, ValueError, TypeError, AttributeError, NotImplementedError) as error:
        raise ModelFileError(
            f"`{path}` is not a noise schedule: {error}", "fetch the base model's files again"
        ) from None
    alpha_bar_T: Tensor = schedule.alphas_cumprod
    return alpha_bar_T, prediction


def noisy_and_target(
    x0_BCHW: "Tensor", noise_BCHW: "Tensor", alpha_bar_B: "Tensor", prediction: Prediction
) -> "tuple[Tensor, Tensor]":
    """Mix clean latents with noise and return the mixture and what the network must say of it.

    Args:
        x0_BCHW: Clean latents, scaled and shifted as the VAE asks; float32.
        noise_BCHW: Standard normal noise; float32.
        alpha_bar_B: Cumulative product of 1 - beta at each sample's timestep, in [0, 1].
        prediction: What the base model was trained to output.

    Returns:
        The mixture and the target, float32.

    Source:
        Mixture: Ho et al. 2020, eq. 4. v: Salimans and Ho 2022, section 4.
    """
    a_B111 = alpha_bar_B.sqrt().view(-1, 1, 1, 1)
    s_B111 = (1 - alpha_bar_B).sqrt().view(-1, 1, 1, 1)
    noisy_BCHW = a_B111 * x0_BCHW + s_B111 * noise_BCHW
    match prediction:
        case Prediction.EPSILON:
            return noisy_BCHW, noise_BCHW
        case Prediction.V_PREDICTION:
            return noisy_BCHW, a_B111 * noise_BCHW - s_B111 * x0_BCHW


def errors(predicted_BCHW: "Tensor", target_BCHW: "Tensor") -> "Tensor":
    """Return each sample's mean squared error, shape (B,)."""
    return (predicted_BCHW - target_BCHW).square().mean(dim=(1, 2, 3))


def loss(predicted_BCHW: "Tensor", target_BCHW: "Tensor", weight_B: "Tensor") -> "Tensor":
    """Return the mean over the batch of each sample's mean squared error times its weight."""
    return (errors(predicted_BCHW, target_BCHW) * weight_B).mean()
