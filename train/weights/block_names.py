"""The block of a model that a tensor or module belongs to, by its name, whoever wrote it.

Blocks are called as WebUIs and `Family.blocks` call them; parts of a model that no one weighs go by
what they are.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

OTHER = "other"
VAE = "VAE"


class _Place(NamedTuple):
    """A pattern in a name, with `.` as `_`, and the block that its numbers say."""

    pattern: re.Pattern[str]
    block: Callable[..., str]


def _place(pattern: str, block: Callable[..., str] | str) -> _Place:
    said = (lambda *numbers: block) if isinstance(block, str) else block
    return _Place(re.compile(pattern), said)


def _numbered(way: str, level: str, number: str, first: int) -> str:
    """Return a block of a level of diffusers' as single files number it: three to a level."""
    return f"{way}{3 * int(level) + int(number) + first:02}"


_BEGIN = r"(?:^|_)"
# Before the network's: a VAE has a middle block, too, and text encoders have layers.
_PARTS = (
    _place(r"^(?:first_stage_model|vae)_", VAE),
    _place(r"^(?:lora_te|text_encoder_?|lycoris_te|te)([123])_", lambda n: f"TE{n}"),
    _place(r"^(?:lora_te|text_encoder|lycoris_te|cond_stage_model|base_model_model_text)_", "TE1"),
    _place(r"^conditioner_embedders_(\d)_", lambda n: f"TE{int(n) + 1}"),
    _place(r"^text_encoders?_.*clip_l", "TE1"),
    _place(r"^text_encoders?_.*clip_g", "TE2"),
    _place(r"^text_encoders?_.*t5", "TE3"),
    _place(r"^(?:text_model|encoder_layers|embeddings|final_layer_norm)_", "TE1"),
    _place(r"^(?:encoder|decoder|quant_conv|post_quant_conv)_", VAE),
)
# Source: diffusers' names to single files' numbers: `ldm_names`.
_NETWORK = (
    _place(_BEGIN + r"down_blocks_(\d+)_downsamplers", lambda n: f"IN{3 * int(n) + 3:02}"),
    _place(_BEGIN + r"down_blocks_(\d+)_[a-z]+_(\d+)", lambda n, m: _numbered("IN", n, m, 1)),
    _place(_BEGIN + r"up_blocks_(\d+)_upsamplers", lambda n: f"OUT{3 * int(n) + 2:02}"),
    _place(_BEGIN + r"up_blocks_(\d+)_[a-z]+_(\d+)", lambda n, m: _numbered("OUT", n, m, 0)),
    _place(_BEGIN + r"mid(?:dle)?_block", "MID"),
    _place(_BEGIN + r"input_blocks_(\d+)", lambda n: f"IN{int(n):02}"),
    _place(_BEGIN + r"output_blocks_(\d+)", lambda n: f"OUT{int(n):02}"),
    _place(_BEGIN + r"double_blocks_(\d+)", lambda n: f"DOUBLE{int(n):02}"),
    _place(_BEGIN + r"single_(?:transformer_)?blocks_(\d+)", lambda n: f"SINGLE{int(n):02}"),
    _place(_BEGIN + r"(?:joint|transformer)_blocks_(\d+)", lambda n: f"JOINT{int(n):02}"),
    _place(_BEGIN + r"conv_in(?:_|$)", "IN00"),
    _place(_BEGIN + r"(?:conv_out|conv_norm_out|norm_out|proj_out)(?:_|$)", "END"),
    _place(_BEGIN + r"(?:final_layer|out_[02])(?:_|$)", "END"),
    _place(_BEGIN + r"(?:time_embed|label_emb|add_embedding|time_text_embed)", "TIME"),
    _place(_BEGIN + r"(?:pos_embed|(?:context|[xty])_embedder)(?:_|$)", "TIME"),
)  # fmt: skip


def block_of(name: str) -> str:
    """Return the block of a tensor or module; `other` where its name says none."""
    plain = name.replace(".", "_")
    for one in (*_PARTS, *_NETWORK):
        found = one.pattern.search(plain)
        if found:
            return one.block(*found.groups())
    return OTHER


def order(block: str) -> tuple[int, str]:
    """Return what blocks are sorted by: as a picture goes through them, text encoders first."""
    words = ("TE", "TIME", "IN", "DOUBLE", "SINGLE", "JOINT", "MID", "OUT", "END", VAE)
    group = block.rstrip("0123456789")
    return (words.index(group) if group in words else len(words), block)
