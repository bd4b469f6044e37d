"""Tensor names of Stable Diffusion 3.5's transformer: those of single files and those of diffusers.

Names only. Source: convert_sd3_transformer_checkpoint_to_diffusers of diffusers 0.42.1
(loaders/single_file_utils.py), read both ways; the files are those that ComfyUI writes.
"""

import re
from collections.abc import Iterable, Mapping

BEFORE = "model.diffusion_model."
# Modules outside of the blocks: diffusers' -> the single file's.
_ALONE = {
    "pos_embed.proj": "x_embedder.proj",
    "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
    "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2",
    "context_embedder": "context_embedder",
    "proj_out": "final_layer.linear",
    "norm_out.linear": "final_layer.adaLN_modulation.1",
}
_TABLE = ("pos_embed.pos_embed", "pos_embed")  # a tensor that is of no module
# Modules of a block.
_INNER = {
    "attn.norm_q": "x_block.attn.ln_q",
    "attn.norm_k": "x_block.attn.ln_k",
    "attn.norm_added_q": "context_block.attn.ln_q",
    "attn.norm_added_k": "context_block.attn.ln_k",
    "attn.to_out.0": "x_block.attn.proj",
    "attn.to_add_out": "context_block.attn.proj",
    "attn2.norm_q": "x_block.attn2.ln_q",
    "attn2.norm_k": "x_block.attn2.ln_k",
    "attn2.to_out.0": "x_block.attn2.proj",
    "norm1.linear": "x_block.adaLN_modulation.1",
    "norm1_context.linear": "context_block.adaLN_modulation.1",
    "ff.net.0.proj": "x_block.mlp.fc1",
    "ff.net.2": "x_block.mlp.fc2",
    "ff_context.net.0.proj": "context_block.mlp.fc1",
    "ff_context.net.2": "context_block.mlp.fc2",
}
# Modules of which a single file has one: their outputs lie one behind the other, in this order.
_STACKED = {
    "x_block.attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "context_block.attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "x_block.attn2.qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
}
_STACK_OF = {own: theirs for theirs, each in _STACKED.items() for own in each}
_LAST_NORM, _LAST_OUT = "norm1_context.linear", "attn.to_add_out"


def modules_to_file(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return what a single file calls modules -> the modules that it is, three or one.

    Args:
        names: As diffusers calls them, without the file's mark; others keep their names.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        block, inner = _split("transformer_blocks.", name)
        if block is None:
            found[_ALONE.get(name, name)] = (name,)
        elif inner in _STACK_OF:
            theirs = _STACK_OF[inner]
            each = tuple(f"transformer_blocks.{block}.{own}" for own in _STACKED[theirs])
            found[f"joint_blocks.{block}.{theirs}"] = each
        else:
            found[f"joint_blocks.{block}.{_INNER.get(inner, inner)}"] = (name,)
    return found


def modules_from_file(name: str) -> tuple[str, ...]:
    """Return what diffusers calls a module of a single file: three of a stack, else one."""
    block, inner = _split("joint_blocks.", name)
    if block is None:
        return (_INVERSE.get(name, name),)
    each = _STACKED.get(inner) or (_INVERSE.get(inner, inner),)
    return tuple(f"transformer_blocks.{block}.{own}" for own in each)


_INVERSE: Mapping[str, str] = {theirs: own for own, theirs in (_ALONE | _INNER).items()}


def to_file(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return what a single file calls tensors -> those that it is made of, three or one.

    Args:
        names: As diffusers calls them.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        module, _, word = name.rpartition(".")
        if name == _TABLE[0]:
            found[_TABLE[1]] = (name,)
            continue
        ((theirs, own),) = modules_to_file([module]).items()
        found[f"{theirs}.{word}"] = tuple(f"{one}.{word}" for one in own)
    return found


def from_file(name: str) -> tuple[str, ...]:
    """Return what diffusers calls a tensor of a single file, without its mark."""
    if name == _TABLE[1]:
        return (_TABLE[0],)
    module, _, word = name.rpartition(".")
    return tuple(f"{own}.{word}" for own in modules_from_file(module))


def swapped(names: Iterable[str]) -> set[str]:
    """Return the modules whose outputs, scale and shift, are the other way round in a single file.

    They are the last normalisation, and that of the texts in the last block, which is the one
    whose texts have no output.

    Args:
        names: Of all modules, as diffusers calls them.
    """
    known = set(names)
    blocks = {int(block) for block, _ in (_split("transformer_blocks.", n) for n in known) if block}
    found = {"norm_out.linear"}
    if blocks and f"transformer_blocks.{max(blocks)}.{_LAST_OUT}" not in known:
        found.add(f"transformer_blocks.{max(blocks)}.{_LAST_NORM}")
    return found & known


def _split(before: str, name: str) -> tuple[str | None, str]:
    """Return a block's number and the name inside of it; None where it is in no block."""
    found = re.fullmatch(rf"{re.escape(before)}(\d+)\.(.+)", name)
    return (found[1], found[2]) if found else (None, name)
