"""A LoRA file that WebUIs, ComfyUI and diffusers load: kohya's names, true alpha, metadata.

Source: key names and `ss_*` fields of kohya-ss/sd-scripts (commit 48d368fa), modelspec 1.0.1.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from prep import files, tensorfile
from prep.errors import MachineError
from train.config import Config
from train.data import Data
from train.family import Family, Prediction
from train.lora import Pair

if TYPE_CHECKING:
    from torch import Tensor


def named(
    pairs: Mapping[str, Pair], alpha: float, export_name: Callable[[str], str]
) -> "dict[str, Tensor]":
    """Return a kohya file's tensors, float32 on the CPU: per module down, up and 0-dim alpha."""
    import torch

    found: dict[str, Tensor] = {}
    for module, pair in pairs.items():
        name = export_name(module)
        found[f"{name}.lora_down.weight"] = _plain(pair.down)
        found[f"{name}.lora_up.weight"] = _plain(pair.up)
        found[f"{name}.alpha"] = torch.tensor(alpha, dtype=torch.float32)
    return found


def write(path: Path, tensors: "Mapping[str, Tensor]", metadata: Mapping[str, str]) -> None:
    """Publish a LoRA file, after it was read back and found equal to `tensors`.

    Raises:
        MachineError: The disk is full, or gave back other bytes than it was given.
    """
    packed = {
        name: tensorfile.Packed("F32", tuple(tensor.shape), tensor.numpy().tobytes())
        for name, tensor in tensors.items()
    }
    files.write(
        path, tensorfile.dump(packed, metadata, align=64), lambda made: check_same(made, tensors)
    )


def metadata(
    data: Data, config: Config, family: Family, facts: Mapping[str, str], prediction: Prediction
) -> dict[str, str]:
    """Return what the file says of itself; no clock and no path of this machine is in it.

    Args:
        facts: `name` of the LoRA, `recipe`, `base_digest` and `version` (of this program).
        prediction: What the base model was trained to output.
    """
    velocity = prediction is Prediction.V_PREDICTION
    buckets = Counter(lesson.bucket for lesson in data.lessons.values())
    width, height = max(buckets, key=lambda size: (buckets[size], size))
    ours = {
        "ss_session_id": facts["recipe"],
        "ss_output_name": facts["name"],
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(config.rank),
        "ss_network_alpha": str(config.scale()),
        "ss_base_model_version": family.base_version + ("_v" if velocity else ""),
        "ss_v2": "False",
        "ss_learning_rate": str(config.learning_rate),
        "ss_unet_lr": str(config.learning_rate),
        "ss_steps": str(config.steps),
        "ss_max_train_steps": str(config.steps),
        "ss_total_batch_size": str(config.batch),
        "ss_seed": str(config.seed),
        "ss_optimizer": "torch.optim.adamw.AdamW",
        "ss_lr_scheduler": "constant",
        "ss_mixed_precision": "no",
        "ss_num_train_images": str(sum(one.repeats for one in data.lessons.values())),
        "ss_num_validation_images": str(data.held_out),
        "ss_tag_frequency": _text(tag_frequency(data, facts["name"])),
        "prep_base_digest": facts["base_digest"],
        "prep_version": facts["version"],
    }
    spec = {
        "sai_model_spec": "1.0.1",
        "architecture": f"{family.architecture}/lora",
        "implementation": "diffusers",
        "title": facts["name"],
        "resolution": f"{width}x{height}",
        "prediction_type": "v" if velocity else "epsilon",
    }
    return ours | {f"modelspec.{word}": value for word, value in spec.items()}


def tag_frequency(data: Data, name: str) -> dict[str, dict[str, int]]:
    """Return per concept in how many samples each tag (or whole caption) is trained on.

    The concept without a name goes by `name`.
    """
    found: dict[str, Counter[str]] = {}
    for lesson in data.lessons.values():
        found.setdefault(lesson.concept or name, Counter()).update(set(lesson.words))
    return {concept: dict(sorted(counts.items())) for concept, counts in sorted(found.items())}


def recipe_of(path: Path) -> str:
    """Return the digest of the recipe that made a LoRA file; reads its header only."""
    return tensorfile.header(path).metadata.get("ss_session_id", "")


def steps_of(path: Path) -> int:
    """Return after how many steps a LoRA file was exported; reads its header only."""
    said = tensorfile.header(path).metadata.get("ss_steps", "")
    return int(said) if said.isdigit() else 0


def check_same(path: Path, tensors: "Mapping[str, Tensor]") -> None:
    """Raise MachineError unless a file holds exactly these tensors, bit for bit."""
    import torch
    from safetensors.torch import load_file

    found = load_file(path)
    if set(found) != set(tensors) or not all(
        torch.equal(found[name], tensor) for name, tensor in tensors.items()
    ):
        raise MachineError("the export reads back as other numbers", "check the disk, run again")


def _plain(tensor: "Tensor") -> "Tensor":
    return tensor.detach().float().cpu().contiguous()


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
