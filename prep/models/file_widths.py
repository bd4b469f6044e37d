"""Settings of a part of a single file: those that ship with the package, its weights' widths."""

from collections.abc import Callable, Mapping
from typing import Any

from prep.models.file_layouts import Layout
from prep.runtime.errors import ModelFileError

_Shapes = Mapping[str, tuple[int, ...]]


def config(layout: Layout, part: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Return the settings of a part: those shipped, with the widths of these weights.

    Args:
        part: `unet`, `vae` or the folder of a text encoder.
        shapes: Shape of each tensor, by diffusers' names.

    Raises:
        ModelFileError: The tensors are not those of the part.
    """
    facts = layout.settings(part)
    try:
        return facts | _WIDTHS["text_encoder" if part in layout.encoders else part](facts, shapes)
    except LookupError as error:
        raise ModelFileError(
            f"the {part.replace('_', ' ')} is not that of {layout.told}: it lacks {error}",
            "name another base model",
        ) from None


def _unet_widths(facts: Mapping[str, Any], shapes: _Shapes) -> dict[str, Any]:
    levels = range(len(facts["block_out_channels"]))
    blocks = [shapes[f"down_blocks.{n}.resnets.0.conv1.weight"][0] for n in levels]
    attention = "attentions.0.transformer_blocks"
    found = {
        "block_out_channels": blocks,
        "cross_attention_dim": shapes[f"down_blocks.1.{attention}.0.attn2.to_k.weight"][1],
        "in_channels": shapes["conv_in.weight"][1],
    }
    if isinstance(facts["attention_head_dim"], list):  # how many heads there are, 64 wide each
        found["attention_head_dim"] = [max(1, width // 64) for width in blocks]
    if "transformer_layers_per_block" in facts:
        found["transformer_layers_per_block"] = [
            max(1, _count(shapes, f"down_blocks.{n}.{attention}.")) for n in levels
        ]
    if "projection_class_embeddings_input_dim" in facts:
        width = shapes["add_embedding.linear_1.weight"][1]
        found["projection_class_embeddings_input_dim"] = width
    return found


def _vae_widths(facts: Mapping[str, Any], shapes: _Shapes) -> dict[str, Any]:
    levels = range(len(facts["block_out_channels"]))
    blocks = [shapes[f"encoder.down_blocks.{n}.resnets.0.conv1.weight"][0] for n in levels]
    channels = shapes["post_quant_conv.weight"][0]
    return {"block_out_channels": blocks, "latent_channels": channels}


def _text_widths(facts: Mapping[str, Any], shapes: _Shapes) -> dict[str, Any]:
    vocabulary, width = shapes["embeddings.token_embedding.weight"]
    projection = shapes.get("text_projection.weight", (facts["projection_dim"],))
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": shapes["encoder.layers.0.mlp.fc1.weight"][0],
        "num_hidden_layers": _count(shapes, "encoder.layers."),
        "num_attention_heads": max(1, width // 64),  # CLIP's heads are 64 wide
        "projection_dim": projection[0],
    }


_WIDTHS: Mapping[str, Callable[[Mapping[str, Any], _Shapes], dict[str, Any]]] = {
    "unet": _unet_widths,
    "vae": _vae_widths,
    "text_encoder": _text_widths,
}


def _count(shapes: _Shapes, before: str) -> int:
    """Return how many numbers follow `before` in the names of some tensors."""
    return len({n.removeprefix(before).split(".")[0] for n in shapes if n.startswith(before)})
