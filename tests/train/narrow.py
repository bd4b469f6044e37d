"""Narrow models of the real block structure of each family, and their single files."""

import json
from pathlib import Path
from typing import Any

from prep.models import file_layouts
from prep.models.file_layouts import LAYOUTS, Layout
from prep.models.tokenizer import shipped_tokenizer

LAYOUT = {layout.name: layout for layout in LAYOUTS}
_LEVELS = {"sd15": [32, 32, 64, 64], "sd2": [32, 32, 64, 64], "sdxl": [32, 32, 64]}
_TEXT = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 1}
_SECOND = {
    "hidden_size": 64, "projection_dim": 64, "num_attention_heads": 1, "num_hidden_layers": 12,
}  # fmt: skip
_LAYERS = {"sd15": 2, "sd2": 23, "sdxl": 2}


def settings(layout: Layout, part: str) -> dict[str, Any]:
    """Return the settings of a part at its narrow size."""
    facts, levels = layout.settings(part), _LEVELS[layout.name]
    if part == "vae":
        return facts | {"block_out_channels": [32, 32, 32, 32]}
    if part == "unet":
        width = 32 if len(layout.encoders) == 1 else 32 + 64
        facts |= {"block_out_channels": levels, "cross_attention_dim": width}
        if isinstance(facts["attention_head_dim"], list):
            facts["attention_head_dim"] = [max(1, one // 64) for one in levels]
        if "transformer_layers_per_block" in facts:
            facts["transformer_layers_per_block"] = [1, 1, 2]
            facts["projection_class_embeddings_input_dim"] = 64 + 6 * 256
        return facts
    if part == "text_encoder_2":  # of another width: diffusers tells the two apart by it
        return facts | _TEXT | _SECOND
    return facts | _TEXT | {"num_hidden_layers": _LAYERS[layout.name]}


def write_narrow(name: str, folder: Path) -> Path:
    """Write a diffusers folder of a family, 32 and 64 wide, with CLIP's own words.

    Args:
        name: sd15, sd2 or sdxl.
    """
    import diffusers
    import torch
    import transformers

    torch.manual_seed(0)
    layout = LAYOUT[name]
    for part, kind in (("unet", "UNet2DConditionModel"), ("vae", "AutoencoderKL")):
        model: Any = getattr(diffusers, kind)
        model.from_config(settings(layout, part)).save_pretrained(folder / part)
    index = json.loads((file_layouts.shipped(name) / "model_index.json").read_text())
    for part in layout.encoders:
        config = transformers.CLIPTextConfig(**settings(layout, part))
        getattr(transformers, index[part][1])(config).save_pretrained(folder / part)
        tokenizer = part.replace("text_encoder", "tokenizer")
        shipped_tokenizer(layout.padding.get(tokenizer)).save_pretrained(folder / tokenizer)
    (folder / "scheduler").mkdir()
    schedule = layout.settings("scheduler")
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(schedule))
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def write_single(name: str, folder: Path, target: Path, **more: Any) -> Path:
    """Write a folder's weights as one `.safetensors` or `.ckpt` file.

    Args:
        more: Further tensors.
    """
    import torch
    from safetensors.torch import load_file, save_file

    layout, found = LAYOUT[name], dict(more)
    for part in layout.parts():
        (weights,) = (folder / part).glob("*.safetensors")
        named = layout.to_file(part, load_file(weights))
        found |= {name: tensor.contiguous().clone() for name, tensor in named.items()}
    found["model_ema.decay"] = torch.tensor(0.9)
    if target.suffix == ".ckpt":
        torch.save({"state_dict": found, "global_step": 7}, target)
    else:
        save_file(found, target)
    return target
