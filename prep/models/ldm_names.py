"""Tensor names of Stable Diffusion: those of single files (LDM) and those of diffusers.

Names and shapes only, no weights. Source: the key tables of diffusers'
scripts/convert_diffusers_to_original_stable_diffusion.py (0.42.1).
"""

# How a single file marks the parts; what follows is the part's own name.
PARTS = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
}
# Which levels of a U-Net's way up have attentions. A file of XL has three levels.
SD_UPS = (False, True, True, True)
XL_UPS = (True, True, False)
_LEVELS = range(4)
_UNET_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_VAE_RESNET = {"conv_shortcut": "nin_shortcut"}
_VAE_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}


def to_ldm(part: str, name: str, ups: tuple[bool, ...] = SD_UPS) -> str:
    """Return the name in a single file of a part's tensor that diffusers calls `name`.

    Args:
        part: `unet` or `vae`: the folder's name in diffusers.
        ups: Of the U-Net: `SD_UPS` or `XL_UPS`.
    """
    module, _, word = name.rpartition(".")
    for ours, theirs in _blocks(part, ups).items():
        if module == ours or module.startswith(ours + "."):
            rest = module.removeprefix(ours).removeprefix(".")
            inner = _inner(part, ours).get(rest, rest)
            return PARTS[part] + ".".join(piece for piece in (theirs, inner, word) if piece)
    return PARTS[part] + name


def from_ldm(part: str, name: str, ups: tuple[bool, ...] = SD_UPS) -> str:
    """Return what diffusers calls a tensor of a single file; the inverse of `to_ldm`."""
    module, _, word = name.removeprefix(PARTS[part]).rpartition(".")
    for ours, theirs in _blocks(part, ups).items():
        if module == theirs or module.startswith(theirs + "."):
            rest = module.removeprefix(theirs).removeprefix(".")
            back = {found: own for own, found in _inner(part, ours).items()}
            return ".".join(piece for piece in (ours, back.get(rest, rest), word) if piece)
    return name.removeprefix(PARTS[part])


def is_flat(part: str, name: str) -> bool:
    """Return whether diffusers holds a tensor as a matrix that single files hold as a 1x1 kernel.

    Args:
        name: As diffusers calls it.
    """
    return part == "vae" and "attentions.0.to_" in name and name.endswith(".weight")


def _inner(part: str, block: str) -> dict[str, str]:
    """Return the names inside of a block: diffusers' -> the single file's."""
    if ".resnets." in block:
        return _UNET_RESNET if part == "unet" else _VAE_RESNET
    return _VAE_ATTENTION if part == "vae" and ".attentions." in block else {}


def _blocks(part: str, ups: tuple[bool, ...]) -> dict[str, str]:
    """Return the modules with other names: diffusers' -> the single file's, without the part."""
    return _unet_blocks(ups) if part == "unet" else _vae_blocks()


def _unet_blocks(ups: tuple[bool, ...]) -> dict[str, str]:
    found = {
        "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2",
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "conv_in": "input_blocks.0.0",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        "mid_block.resnets.0": "middle_block.0",
        "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2",
    }
    for level, attends in enumerate(ups):
        for n in range(2):
            down = f"input_blocks.{3 * level + n + 1}"
            found[f"down_blocks.{level}.resnets.{n}"] = f"{down}.0"
            found[f"down_blocks.{level}.attentions.{n}"] = f"{down}.1"
        for n in range(3):
            up = f"output_blocks.{3 * level + n}"
            found[f"up_blocks.{level}.resnets.{n}"] = f"{up}.0"
            if attends:  # else its second module is the upsampler
                found[f"up_blocks.{level}.attentions.{n}"] = f"{up}.1"
        smaller = f"input_blocks.{3 * level + 3}.0.op"
        found[f"down_blocks.{level}.downsamplers.0.conv"] = smaller
        larger = f"output_blocks.{3 * level + 2}.{2 if attends else 1}"
        found[f"up_blocks.{level}.upsamplers.0"] = larger
    return found


def _vae_blocks() -> dict[str, str]:
    found = {}
    for side in ("encoder", "decoder"):
        found[f"{side}.conv_norm_out"] = f"{side}.norm_out"
        found[f"{side}.mid_block.attentions.0"] = f"{side}.mid.attn_1"
        found[f"{side}.mid_block.resnets.0"] = f"{side}.mid.block_1"
        found[f"{side}.mid_block.resnets.1"] = f"{side}.mid.block_2"
    for level in _LEVELS:
        mirrored = 3 - level  # single files count the decoder's levels from the picture's end
        for n in range(2):
            found[f"encoder.down_blocks.{level}.resnets.{n}"] = f"encoder.down.{level}.block.{n}"
        for n in range(3):
            found[f"decoder.up_blocks.{level}.resnets.{n}"] = f"decoder.up.{mirrored}.block.{n}"
        found[f"encoder.down_blocks.{level}.downsamplers.0"] = f"encoder.down.{level}.downsample"
        found[f"decoder.up_blocks.{level}.upsamplers.0"] = f"decoder.up.{mirrored}.upsample"
    return found
