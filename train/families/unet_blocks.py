"""Blocks of a U-Net by the names that WebUIs' block weights have: as single files number them."""

from prep.models import ldm_names

_WAYS = {"input_blocks": "IN", "output_blocks": "OUT"}


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
    kind, number, *_ = ldm_names.to_ldm("unet", name, ups).removeprefix(part).split(".")
    if kind in _WAYS:
        return f"{_WAYS[kind]}{int(number):02}"
    return {"middle_block": "MID", "out": "END"}.get(kind, "TIME")
