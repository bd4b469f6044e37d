"""What files of LoRAs call the modules of a model: by kohya's names, diffusers' and ComfyUI's.

A module is known here by diffusers' name behind its part's folder, without `text_model.`:
`unet.mid_block.attentions.0.proj_in`, `text_encoder.encoder.layers.0.mlp.fc1`.

Source: kohya-ss/sd-scripts, networks/lora.py and lora_sd3.py; ComfyUI, comfy/lora.py
(`model_lora_keys_unet`, `model_lora_keys_clip`: the names of its own weights); diffusers 0.42.1,
loaders/lora_pipeline.py.
"""

import re
from collections.abc import Callable, Mapping

from prep.models import ldm_names, mmdit_names
from train.families.family import Family

_TEXT_MODEL = "text_model."
# Words of names that have a `_` of their own; kohya's names have one in the place of each dot.
_WORDS = (
    "down_blocks", "up_blocks", "mid_block", "transformer_blocks", "to_q", "to_k", "to_v", "to_out",
    "proj_in", "proj_out", "time_emb_proj", "conv_shortcut", "conv_in", "conv_out",
    "time_embedding", "add_embedding", "linear_1", "linear_2", "input_blocks", "output_blocks",
    "middle_block",
    "in_layers", "out_layers", "emb_layers", "skip_connection", "time_embed", "label_emb",
    "text_model", "self_attn", "q_proj", "k_proj", "v_proj", "out_proj", "text_projection",
    "joint_blocks", "x_block", "context_block", "adaLN_modulation", "final_layer", "x_embedder",
    "t_embedder", "y_embedder", "context_embedder", "add_q_proj", "add_k_proj", "add_v_proj",
    "to_add_out", "ff_context", "norm1_context", "norm_out", "time_text_embed", "pos_embed",
    "timestep_embedder", "text_embedder", "wi_0", "wi_1", "layer_norm",
)  # fmt: skip
_WORD = re.compile(
    rf"(?<![^_])(?:{'|'.join(sorted(_WORDS, key=lambda word: (-len(word), word)))})(?![^_])"
)
# ComfyUI's names of text encoders: family -> folder of an encoder in diffusers -> its name.
_CLIPS: Mapping[str, Mapping[str, str]] = {
    "sd15": {"text_encoder": "clip_l"},
    "sd2": {"text_encoder": "clip_h"},
    "sdxl": {"text_encoder": "clip_l", "text_encoder_2": "clip_g"},
    "sd35": {"text_encoder": "clip_l", "text_encoder_2": "clip_g", "text_encoder_3": "t5xxl"},
}
_UPS = {"sdxl": ldm_names.XL_UPS}


def dotted(name: str) -> str:
    """Return a module's name with dots, out of one that has `_` in their places."""
    kept = _WORD.sub(lambda found: found[0].replace("_", "\0"), name)
    return kept.replace("_", ".").replace("\0", "_")


def modules_of(word: str, family: Family) -> tuple[str, ...]:
    """Return the modules that a file calls `word`, in any of the three ways of naming.

    A single file's `qkv` of Stable Diffusion 3.5 is three of them. Nothing where it is no such
    name.
    """
    for before, read in _READERS.items():
        if word.startswith(before):
            return read(word.removeprefix(before), family)
    if found := re.fullmatch(r"lora_te([123]?)_(.+)", word):
        number = found[1] if found[1] not in ("", "1") else ""
        part = f"text_encoder_{number}" if number else "text_encoder"
        return _of_text(part, dotted(found[2]), family)
    part, _, rest = word.partition(".")
    if part in family_parts(family) and rest:
        return _of_text(part, rest, family) if part.startswith("text") else (f"{part}.{rest}",)
    return ()


def family_parts(family: Family) -> tuple[str, ...]:
    """Return the folders of the parts of a family that a LoRA can change."""
    return (family.network, *family.encoders, *family.frozen)


def _of_text(part: str, name: str, family: Family) -> tuple[str, ...]:
    known = part in family_parts(family)
    return (f"{part}.{name.removeprefix(_TEXT_MODEL)}",) if known else ()


def _of_network(name: str, family: Family) -> tuple[str, ...]:
    """Return the modules that a network's module, by a single file's name or diffusers', is."""
    if family.network == "transformer":
        return tuple(f"transformer.{one}" for one in mmdit_names.modules_from_file(name))
    named = ldm_names.from_ldm("unet", f"{name}.weight", _UPS.get(family.name, ldm_names.SD_UPS))
    return (f"unet.{named.removesuffix('.weight')}",)


def _of_clips(name: str, family: Family) -> tuple[str, ...]:
    clip, _, rest = name.partition(".")
    back = {theirs: part for part, theirs in _CLIPS[family.name].items()}
    rest = rest.removeprefix("transformer.")
    return _of_text(back[clip], rest, family) if clip in back and rest else ()


_READERS: Mapping[str, Callable[[str, Family], tuple[str, ...]]] = {
    "lora_unet_": lambda name, family: _of_network(dotted(name), family),
    "lycoris_": lambda name, family: _of_network(dotted(name), family),
    "diffusion_model.": _of_network,
    "text_encoders.": _of_clips,
}


def kohya(module: str, family: Family) -> str:
    """Return kohya's name of a module; of Stable Diffusion 3.5 that of the stack that it is in."""
    part, _, inner = module.partition(".")
    if family.network == "unet":
        return family.export_name(module.removeprefix("unet."))
    if part == "transformer":
        (theirs,) = mmdit_names.modules_to_file([inner])
        return f"lora_unet_{theirs.replace('.', '_')}"
    number = {"text_encoder": 1, "text_encoder_2": 2, "text_encoder_3": 3}[part]
    return f"lora_te{number}_{_deeper(part, inner).replace('.', '_')}"


def peft(module: str, family: Family) -> str:
    """Return diffusers' name of a module, as peft's adapters have it."""
    part, _, inner = module.partition(".")
    return module if part == family.network else f"{part}.{_deeper(part, inner)}"


def comfy(module: str, family: Family) -> str:
    """Return ComfyUI's own name of a module: that of its weight."""
    part, _, inner = module.partition(".")
    if part == "transformer":
        (theirs,) = mmdit_names.modules_to_file([inner])
        return f"diffusion_model.{theirs}"
    if part == "unet":
        ups = _UPS.get(family.name, ldm_names.SD_UPS)
        named = ldm_names.to_ldm("unet", f"{inner}.weight", ups).removesuffix(".weight")
        return f"diffusion_model.{named.removeprefix(ldm_names.PARTS['unet'])}"
    return f"text_encoders.{_CLIPS[family.name][part]}.transformer.{_deeper(part, inner)}"


def _deeper(part: str, name: str) -> str:
    alone = part == "text_encoder_3" or name.startswith("text_projection")
    return name if alone else _TEXT_MODEL + name


NAMES: Mapping[str, Callable[[str, Family], str]] = {"kohya": kohya, "peft": peft, "comfy": comfy}
STACKED = ("kohya", "comfy")  # these have one module for query, key and value of SD 3.5
