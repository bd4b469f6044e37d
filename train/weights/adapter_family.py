"""Which family of base models an adapter is for: by its names, its widths, and what it says.

Source: what metadata say: kohya-ss/sd-scripts (commit 48d368fa), train_util.py and
sai_model_spec.py; Stability-AI/ModelSpec.
"""

import re
from collections.abc import Iterable, Mapping

FAMILIES: Mapping[str, str] = {
    "sd15": "Stable Diffusion 1.x",
    "sd2": "Stable Diffusion 2.x",
    "sdxl": "Stable Diffusion XL",
    "sd35": "Stable Diffusion 3.5 medium",
    "sd3": "Stable Diffusion 3",
    "flux": "FLUX",
    "other": "another kind of model",
}
# What `ss_base_model_version` and `modelspec.architecture` begin with -> the family.
_SAID: Mapping[str, str] = {
    "sd_v1": "sd15", "sd_v2": "sd2", "sdxl_": "sdxl", "sd3.5_medium": "sd35", "sd3": "sd3",
    "flux": "flux", "stable-diffusion-v1": "sd15", "stable-diffusion-v2": "sd2",
    "stable-diffusion-xl": "sdxl", "stable-diffusion-v3.5-medium": "sd35",
    "stable-diffusion-v3": "sd3", "stable-diffusion-3": "sd3",
}  # fmt: skip
# What only names of one family have, a `_` in the place of each dot; the first that fits counts.
_MARKS: Mapping[str, re.Pattern[str]] = {
    "flux": re.compile(r"double_blocks_|single_blocks_|single_transformer_blocks_"),
    "other": re.compile(r"^lora_te3?_layers_"),  # a text encoder that is a language model
    "sd35": re.compile(
        r"joint_blocks_\d+_x_block_attn2|(?:transformer|model)_transformer_blocks_\d+_attn2_"
    ),
    "sd3": re.compile(r"joint_blocks_|_add_k_proj|^(?:lora_)?transformer_transformer_blocks_"),
    "sdxl": re.compile(
        r"^lora_te2_|^text_encoder_2_|^text_encoders_clip_g"
        r"|^lora_unet_(?:input|middle|output)_block"
        r"|(?:attentions|blocks_\d+|middle_block)_\d_transformer_blocks_[1-9]"
    ),
    "sd2": re.compile(r"^text_encoders_clip_h"),
}
# Numbers of a text's token that the network of a family reads, by attention to texts.
WIDTHS: Mapping[int, str] = {768: "sd15", 1024: "sd2", 2048: "sdxl"}
_READS = re.compile(r"attn2.*to_[kv](?:\.|_lora).*(?:down\.weight|lora_A|hada_w1_b$)")


def by_names(names: Iterable[str]) -> str:
    """Return the family that names of modules or tensors show; empty where none do."""
    plain = [name.replace(".", "_") for name in names]
    return next(
        (family for family, mark in _MARKS.items() if any(map(mark.search, plain))),
        "",
    )


def by_metadata(metadata: Mapping[str, str]) -> str:
    """Return the family that metadata name; empty for none."""
    for word in ("ss_base_model_version", "modelspec.architecture"):
        said = metadata.get(word, "").lower()
        for before, family in _SAID.items():
            if said.startswith(before):
                return family
    return ""


def by_widths(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return the family that reads texts as wide as tensors do; empty where that is not one."""
    wide = {shape[1] for name, shape in shapes.items() if len(shape) > 1 and _READS.search(name)}
    found = {WIDTHS[width] for width in wide if width in WIDTHS}
    return found.pop() if len(found) == 1 else ""
