"""The noise schedule that a base model was trained with."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.errors import ModelFileError
from train.family import Prediction

if TYPE_CHECKING:
    from torch import Tensor


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
        config = json.loads(path.read_text(encoding="utf-8"))
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
