"""What the U-Nets of all families have alike: their class, modules that get adapters, blocks.

Blocks have the names that WebUIs' block weights have, as single files number them.
"""

from functools import partial
from typing import Any

from prep.models import ldm_names

NETWORK = ("unet", "diffusers.UNet2DConditionModel")
# Endings of the names of modules.
_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
_CONVOLUTIONS = (
    "conv1", "conv2", "conv_shortcut", "time_emb_proj", "downsamplers.0.conv",
    "upsamplers.0.conv",
)  # fmt: skip
_WAYS = {"input_blocks": "IN", "output_blocks": "OUT"}


def alike(ups: tuple[bool, ...]) -> dict[str, Any]:
    """Return what the families of U-Nets say alike of their modules; see `Family`.

    Args:
        ups: Of the U-Net: `ldm_names.SD_UPS` or `ldm_names.XL_UPS`.
    """
    return {
        "lora_targets": (*_ATTENTION, "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"),
        "attention_targets": _ATTENTION,
        "convolution_targets": _CONVOLUTIONS,
        "blocks": names(ups),
        "block_of": partial(block_of, ups=ups),
        "convolved": True,
    }


def names(ups: tuple[bool, ...]) -> tuple[str, ...]:
    """Return the blocks, in the order in which latents go through them.

    Args:
        ups: Of the U-Net: `ldm_names.SD_UPS` or `ldm_names.XL_UPS`.
    """
    numbers = range(3 * len(ups))
    down, up = ([f"{way}{n:02}" for n in numbers] for way in _WAYS.values())
    return ("TIME", *down, "MID", *up, "END")


def block_of(name: str, ups: tuple[bool, ...]) -> str:
    """Return the block of a module or weight.

    It is `TIME` for what reads timestep and sizes, `END` for what makes the prediction.

    Args:
        name: As diffusers calls it.
    """
    part = ldm_names.PARTS["unet"]
    weight = f"{name}.weight"  # of a module; what follows the name of a weight decides nothing
    kind, number, *_ = ldm_names.to_ldm("unet", weight, ups).removeprefix(part).split(".")
    if kind in _WAYS:
        return f"{_WAYS[kind]}{int(number):02}"
    return {"middle_block": "MID", "out": "END"}.get(kind, "TIME")
