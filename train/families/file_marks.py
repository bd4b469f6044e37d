"""What a base model in one file predicts, and on what schedule: by the marks that are in use.

Read: the empty tensors `v_pred` and `ztsnr` of NoobAI's files, which ComfyUI and the WebUIs know;
`modelspec.prediction_type` and kohya's `ss_v_parameterization` and `ss_zero_terminal_snr` among
the metadata. Stable Diffusion 2.x came without any: there a weight tells it, as ComfyUI takes it.
Written: the tensors and `modelspec.prediction_type`.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from prep.models import pickle_file, safetensors_file, single_file
from prep.models.file_layouts import Layout
from prep.runtime.errors import ModelFileError
from train.families.diffusion_process import Diffusion, diffusion_of
from train.families.noise_process import Prediction, Process

if TYPE_CHECKING:
    from torch import Tensor

MARKS = ("v_pred", "ztsnr")
_OTHER_SCHEDULES = ("edm_mean", "edm_std", "edm_vpred.sigma_max")
_V_WORDS = ("v", "v_prediction", "v-prediction", "velocity")
# Source: ComfyUI, supported_models.py, SD20.model_type: models of v have wider biases there.
_WIDE = 0.09


def process(path: Path, layout: Layout, scheduler: Path) -> Diffusion:
    """Return the process of a base model in one file.

    Args:
        scheduler: Folder of the scheduler's config of its kind.

    Raises:
        ModelFileError: It is of another schedule of noise.
    """
    known = set(single_file.names(path))
    if other := known.intersection(_OTHER_SCHEDULES):
        raise ModelFileError(
            f"`{path}` was trained on another schedule of noise, EDM: it has `{min(other)}`",
            "name another base model",
        )
    said = _metadata(path)
    rescaled = "ztsnr" in known or said.get("ss_zero_terminal_snr", "").lower() == "true"
    found = diffusion_of(scheduler, Prediction.EPSILON, rescaled)
    return replace(found, prediction=_prediction(path, layout, known, said))


def _prediction(path: Path, layout: Layout, known: set[str], said: Mapping[str, str]) -> Prediction:
    """Return what a file's model predicts: by a mark, by its metadata, or by a weight."""
    velocity = Prediction.V_PREDICTION
    if "v_pred" in known or said.get("ss_v_parameterization", "").lower() == "true":
        return velocity
    if word := said.get("modelspec.prediction_type", "").lower():
        return velocity if word in _V_WORDS else Prediction.EPSILON
    if layout.telling in known:
        spread = _one(path, layout.telling).float().std(unbiased=False)
        return velocity if spread > _WIDE else Prediction.EPSILON
    return Prediction.EPSILON


def is_told(path: Path) -> bool:
    """Return whether a file says what its model predicts, by a mark or among its metadata."""
    words = ("modelspec.prediction_type", "ss_v_parameterization")
    return "v_pred" in single_file.names(path) or not _metadata(path).keys().isdisjoint(words)


def tensors(found: Process) -> "dict[str, Tensor]":
    """Return the marks of a process, as a single file holds them."""
    import torch

    if not isinstance(found, Diffusion) or found.prediction is not Prediction.V_PREDICTION:
        return {}
    names = MARKS if found.ends_in_noise() else MARKS[:1]
    return {name: torch.zeros(0) for name in names}


def _metadata(path: Path) -> Mapping[str, str]:
    is_plain = path.suffix.lower() == ".safetensors"
    return safetensors_file.header(path).metadata if is_plain else {}


def _one(path: Path, name: str) -> "Tensor":
    """Return one tensor of a file."""
    if path.suffix.lower() == ".ckpt":
        return pickle_file.tensors(path, mmap=True)[name]
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        found: Tensor = file.get_tensor(name)
        return found
