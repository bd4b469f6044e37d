from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.train.families.ldm_tables import SD, XL, clip, table, to_compvis
from tests.train.families.mmdit_tables import MEDIUM
from train.adapters import lora_layers
from train.families import all_families
from train.families.family import Family

# Sizes of the published models: arguments of diffusers' and transformers' classes.
NETWORKS: dict[str, dict[str, Any]] = {
    "sd15": {"cross_attention_dim": 768, "attention_head_dim": 8},
    "sd2": {
        "cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20),
        "use_linear_projection": True,
    },
    "sdxl": {
        "block_out_channels": (320, 640, 1280), "cross_attention_dim": 2048,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10), "attention_head_dim": (5, 10, 20),
        "use_linear_projection": True, "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
    },
    "sd35": {
        "num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536,
        "pos_embed_max_size": 4, "dual_attention_layers": tuple(range(13)), "qk_norm": "rms_norm",
    },
}  # fmt: skip
ENCODERS: dict[str, dict[str, tuple[int, int, int]]] = {  # layers, width, heads
    "sd15": {"text_encoder": (12, 768, 12)},
    "sd2": {"text_encoder": (23, 1024, 16)},
    "sdxl": {"text_encoder": (12, 768, 12), "text_encoder_2": (32, 1280, 20)},
    "sd35": {"text_encoder": (12, 768, 12), "text_encoder_2": (32, 1280, 20)},
}
# What a key of the network is looked up by, and the table that it has to be in.
TABLES: dict[str, tuple[Callable[[str], str], Any]] = {
    "sd15": (to_compvis, SD),
    "sd2": (to_compvis, SD),
    "sdxl": (lambda key: key.removeprefix("lora_unet_"), XL),
    "sd35": (lambda key: _plain(key.removeprefix("transformer.transformer_blocks.")), MEDIUM),
}
# As kohya-ss/sd-scripts counts them; it has no convolutions of Stable Diffusion 2.x on record.
COUNTS = {
    "sd15": {"transformer": 192, "convolutions": 278},
    "sd2": {"transformer": 192, "convolutions": 278},
    "sdxl": {"transformer": 722, "convolutions": 788},
    # 24 blocks of 12, 13 of them with 4 more, the last one 3 short.
    "sd35": {"transformer": 337, "convolutions": 337},
}
BEFORE = {
    "sd15": ["lora_te_text_model_"], "sd2": ["lora_te_text_model_"],
    "sdxl": ["lora_te1_text_model_", "lora_te2_text_model_"],
    "sd35": ["text_encoder.text_model.", "text_encoder_2.text_model."],
}  # fmt: skip


def _plain(key: str) -> str:
    """Return a key with kohya's underscores: that of one table fits no module of another."""
    return key.replace(".", "_")


def _keys(family: Family, wish: str) -> tuple[list[str], dict[str, list[str]]]:
    """Return the names of our exports for the published sizes; no weight is made."""
    import diffusers
    import transformers

    texts = {}
    with torch.device("meta"):
        network: Any = getattr(diffusers, family.tiny.kind)(**NETWORKS[family.name])
        lora_layers.add(network, family.targets(wish), 4, 4.0)
        for part, (layers, width, heads) in ENCODERS[family.name].items():
            config = transformers.CLIPTextConfig(
                num_hidden_layers=layers, hidden_size=width, num_attention_heads=heads,
                intermediate_size=4 * width,
            )  # fmt: skip
            encoder = getattr(transformers, family.tiny.encoders[part][0])(config)
            lora_layers.add(encoder, family.text_targets, 4, 4.0)
            names = lora_layers.pairs(encoder, part)
            texts[part] = [family.export_name(name) for name in names]
    return [family.export_name(name) for name in lora_layers.pairs(network)], texts


@pytest.mark.parametrize("wish", ["transformer", "convolutions"])
@pytest.mark.parametrize("name", TABLES)
def test_every_key_of_the_network_is_in_the_published_table(name: str, wish: str) -> None:
    """The WebUIs find a module for each key, another one for each, and none is left over."""
    look_up, model = TABLES[name]
    found, _ = _keys(all_families()[name], wish)
    known = table(model.modules(wish == "convolutions"), "")

    assert sorted(look_up(key) for key in found) == sorted(known)
    assert len(found) == COUNTS[name][wish]


@pytest.mark.parametrize("name", TABLES)
def test_every_key_of_a_text_encoder_is_in_the_published_table(name: str) -> None:
    """Each encoder's keys are those of its layers behind its own prefix."""
    _, found = _keys(all_families()[name], "attention")

    for before, part in zip(BEFORE[name], ENCODERS[name], strict=True):
        layers = ENCODERS[name][part][0]
        assert len(found[part]) == 6 * layers
        known = table(clip(layers), "")
        dotted = "." in before  # diffusers' layout
        assert {key.removeprefix(before) for key in found[part]} == (
            set(known.values()) if dotted else set(known)
        )
        assert all(key.startswith(before) for key in found[part])


def test_every_family_has_its_table() -> None:
    """A new family's names are written down from what was published, too."""
    assert set(TABLES) == set(all_families())
