"""What is decided by a step or timestep alone: learning rates, and the base model's noise."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.runtime.errors import ModelFileError
from prep.runtime.files import content
from train.config import Config
from train.family import Prediction

if TYPE_CHECKING:
    from torch import Tensor


def learning_rate(step: int, config: Config, steps: int) -> float:
    """Return the learning rate of one step.

    Args:
        step: From 0.
        steps: Of the whole run; a constant rate does not depend on it.

    Source:
        diffusers.optimization 0.42: get_constant_schedule_with_warmup, get_cosine_schedule...,
        get_cosine_with_hard_restarts_schedule_with_warmup.
    """
    if step < config.warmup:
        return config.learning_rate * step / config.warmup
    if config.schedule == "constant":
        return config.learning_rate
    share = (step - config.warmup) / max(1, steps - config.warmup)
    waves = config.cycles if config.schedule == "cosine-with-restarts" else 1
    if share >= 1:
        return 0.0
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (waves * share % 1)))


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
