"""The losses and the noise of kohya's scripts as settings of ours.

Source: kohya-ss/sd-scripts (commit 48d368fa): library/train_util.py, custom_train_functions.py.
"""

from typing import Any

from train import spellings
from train.config import Config
from train.kohya.kohya_scripts import Settings
from train.loss_rows import LOSSES
from train.noise_options import SHAPES

_NUMBERS = """
huber_c huber_scale min_snr_gamma v_pred_like_loss noise_offset adaptive_noise_scale
multires_noise_discount ip_noise_gamma
"""
_WHOLE = "multires_noise_iterations min_timestep max_timestep"
_ON = """
debiased_estimation_loss scale_v_pred_loss_like_noise_pred noise_offset_random_strength
ip_noise_gamma_random_strength masked_loss
"""
_WORDS = "loss_type huber_schedule"
READ = frozenset(" ".join((_NUMBERS, _WHOLE, _ON, _WORDS)).split())


def losses(found: Settings) -> None:
    """Gather loss, weights of timesteps and noise; what their scripts would not use is told."""
    told: dict[str, Any] = {name: True for name in _ON.split() if name in found.given}
    told |= {"masked_loss": True} if "alpha_mask" in found.given else {}  # either is enough there
    told |= {name: found.number(name, 0) for name in _NUMBERS.split() if _given(found, name)}
    told |= {name: found.whole(name, 0) for name in _WHOLE.split() if _given(found, name)}
    told |= {name: found.given[name] for name in _WORDS.split() if name in found.given}
    if "loss_type" in told:
        told["loss_type"] = spellings.ours("loss", str(told["loss_type"]), LOSSES)
    values = {name: value for name, value in told.items() if value != getattr(Config, _ours(name))}
    loss = values.get("loss_type", Config.loss)
    unused = {name: other for name, other in SHAPES.items() if other not in values}
    if loss in LOSSES and not LOSSES[loss].wide:
        unused |= dict.fromkeys(("huber_schedule", "huber_c", "huber_scale"), "loss_type huber")
    elif str(values.get("huber_schedule", "snr")).lower() == "snr":
        unused["huber_scale"] = "huber_schedule constant"
    for name in ("v_pred_like_loss", "masked_loss"):
        if name in values and not found.script.v_like_loss:
            del values[name]
            found.notes.append(f"`{name}` is left out: this script of kohya's does not use it")
    for name in [name for name in values if name in unused]:
        del values[name]
        found.notes.append(f"`{name}` is left out: it is not used without `{unused[name]}`")
    found.values |= {_ours(name): value for name, value in values.items()}


def _given(found: Settings, name: str) -> bool:
    """Return whether an option has a value; in their files `None` is none."""
    return str(found.given.get(name, "")).lower() not in ("", "none", "false")


def _ours(name: str) -> str:
    return spellings.setting(name) or name
