"""Tensor names of open_clip's text encoders, as single files of SD 2.x and XL hold them.

Source: convert_text_enc_state_dict_v20 of diffusers'
scripts/convert_diffusers_to_original_stable_diffusion.py (0.42.1), read both ways.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# transformers' names without `text_model.` -> open_clip's.
_ALONE = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
    "text_projection.weight": "text_projection",
}
_LAYERS = ("encoder.layers.", "transformer.resblocks.")
_INNER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_FUSED = "attn.in_proj_"
_QKV = ("q_proj", "k_proj", "v_proj")


def to_open_clip(tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return a text encoder's tensors by open_clip's names.

    Query, key and value are one tensor there, in this order; the projection is transposed.

    Args:
        tensors: By transformers' names, with `text_model.` or without.
    """
    import torch

    plain = {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}
    found = {}
    for theirs, own in places(plain).items():
        if is_turned(theirs):
            found[theirs] = plain[own[0]].T.contiguous()
        else:
            found[theirs] = torch.cat([plain[one] for one in own]) if own[1:] else plain[own[0]]
    return found


def places(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return open_clip's names of tensors -> those that each is made of, three or one.

    Args:
        names: transformers', without `text_model.`.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        if ".q_proj." in name:
            layer, _, word = name.partition(".self_attn.q_proj.")
            each = tuple(name.replace("q_proj", one) for one in _QKV)
            found[f"{layer.replace(*_LAYERS)}.{_FUSED}{word}"] = each
        elif ".k_proj." not in name and ".v_proj." not in name:
            found[_ALONE.get(name) or _renamed(name, _INNER, _LAYERS)] = (name,)
    return found


def is_turned(name: str) -> bool:
    """Return whether rows and columns of a tensor, by open_clip's name, are the other way round."""
    return name == _ALONE["text_projection.weight"]


def shapes_from_open_clip(
    shapes: Mapping[str, tuple[int, ...]],
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a text encoder's tensors by transformers' names; needs no torch.

    Args:
        shapes: By open_clip's names.
    """
    alone = {theirs: ours for ours, theirs in _ALONE.items()}
    inner = {theirs: ours for ours, theirs in _INNER.items()}
    found: dict[str, tuple[int, ...]] = {}
    for name, shape in shapes.items():
        if _FUSED in name:
            layer, _, word = name.replace(*_LAYERS[::-1]).partition(f".{_FUSED}")
            each = (shape[0] // len(_QKV), *shape[1:])
            found |= {f"{layer}.self_attn.{one}.{word}": each for one in _QKV}
        elif name in alone or name.startswith(_LAYERS[1]):
            found[alone.get(name) or _renamed(name, inner, _LAYERS[::-1])] = shape
    return found


def _renamed(name: str, inner: Mapping[str, str], layers: tuple[str, str]) -> str:
    """Return the name of a layer's tensor, `encoder.layers.3.mlp.fc1.bias`, in the other words."""
    number, _, rest = name.removeprefix(layers[0]).partition(".")
    module, _, word = rest.rpartition(".")
    return f"{layers[1]}{number}.{inner[module]}.{word}"
