from pathlib import Path
from typing import Any

import pytest
import torch

from train.adapters import lora_layers
from train.families.family import PictureSizes
from train.families.sd2 import FAMILY as SD2
from train.families.sdxl import FAMILY

TEXTS = [
    "", "mascot", "mascot, pose 1", "a photo of a cat", "1girl, solo", "!", "a! b", "\u732b",
    *(f"number {n}, " * (n % 3) + "x" for n in range(12)),
]  # fmt: skip
SIZES = [
    ((1024, 1024), (0, 0), (1024, 1024)),
    ((640, 480), (16, 0), (576, 448)),
    ((2000, 3000), (0, 120), (832, 1216)),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Stable Diffusion XL."""
    return FAMILY.tiny.write(tmp_path_factory.mktemp("sdxl"))


@pytest.fixture(scope="module")
def pipeline(base: Path) -> Any:
    """The same, opened by diffusers."""
    from diffusers import StableDiffusionXLPipeline

    found: Any = StableDiffusionXLPipeline.from_pretrained(str(base), local_files_only=True)
    found.set_progress_bar_config(disable=True)
    return found


def test_texts_are_read_as_the_pipeline_reads_them(base: Path, pipeline: Any) -> None:
    """For 20 prompts the states and the pooled state are those of diffusers, bit for bit."""
    opened = FAMILY.load(base, "cpu")

    found = FAMILY.encode(opened, TEXTS)

    for text, state in zip(TEXTS, found, strict=True):
        with torch.no_grad():
            wanted, _, pooled, _ = pipeline.encode_prompt(
                text, device="cpu", do_classifier_free_guidance=False
            )
        assert torch.equal(state["text"], wanted[0]), text
        assert torch.equal(state["pooled"], pooled[0]), text


@pytest.mark.parametrize(("original", "cut", "target"), SIZES)
def test_sizes_are_told_as_the_pipeline_tells_them(
    pipeline: Any, original: tuple[int, int], cut: tuple[int, int], target: tuple[int, int]
) -> None:
    """Original size, what was cut off and target size stand in diffusers' order, height first."""
    wanted = pipeline._get_add_time_ids(
        original[::-1], cut[::-1], target[::-1], torch.float32,
        text_encoder_projection_dim=pipeline.text_encoder_2.config.projection_dim,
    )  # fmt: skip

    assert list(FAMILY.sizes(PictureSizes(original, cut, target))["sizes"]) == wanted[0].tolist()


def test_the_network_answers_as_in_the_pipeline(base: Path, pipeline: Any) -> None:
    """Of the same latents, text and sizes the U-Net says what it says to diffusers."""
    opened = FAMILY.load(base, "cpu")
    (state,) = FAMILY.encode(opened, ["mascot"])
    sizes = torch.tensor([FAMILY.sizes(PictureSizes(*SIZES[1]))["sizes"]], dtype=torch.float32)
    noisy = torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(0))
    when = torch.tensor([321])
    given = {"text": state["text"][None], "pooled": state["pooled"][None], "sizes": sizes}

    with torch.no_grad():
        found = FAMILY.denoise(opened.network, noisy, when, given)
        wanted = pipeline.unet(
            noisy, when, given["text"],
            added_cond_kwargs={"text_embeds": given["pooled"], "time_ids": sizes},
        ).sample  # fmt: skip

    assert torch.equal(found, wanted)


def test_long_texts_are_joined_chunk_by_chunk(base: Path) -> None:
    """Of 225 tokens the states are those of three chunks, read with transformers alone."""
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    opened = FAMILY.load(base, "cpu")
    text = "a " * 130  # ends within the second chunk: padding and marks are met
    (found,) = FAMILY.encode(opened, [text], chunks=3)

    wanted, pooled = [], None
    for kind, part, tokenizer in (
        (CLIPTextModel, "text_encoder", "tokenizer"),
        (CLIPTextModelWithProjection, "text_encoder_2", "tokenizer_2"),
    ):
        encoder: Any = kind.from_pretrained(str(base / part))
        padding = 513 if tokenizer == "tokenizer" else 0
        letter = opened.tokenizers[tokenizer]("a").input_ids[1]
        rows = [
            [512, *[letter] * 75, 513],
            [512, *[letter] * 55, 513, *[padding] * 19, padding],
            [512, *([513] + [padding] * 74 if padding == 0 else [513] * 75), padding],
        ]
        states = []
        for row in rows:
            with torch.no_grad():
                answer = encoder(torch.tensor([row]), output_hidden_states=True)
            states.append(answer.hidden_states[-2][0])
            if padding == 0 and pooled is None:
                pooled = answer.text_embeds[0]
        wanted.append(torch.cat([states[0][:1], *(one[1:-1] for one in states), states[-1][-1:]]))
    assert found["text"].shape == (227, 80)
    assert torch.equal(found["text"], torch.cat(wanted, dim=-1))
    assert pooled is not None
    assert torch.equal(found["pooled"], pooled)


def _full_unet() -> Any:
    """Return the U-Net of Stable Diffusion XL at its full size, without weights."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        return UNet2DConditionModel(
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10), attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048, use_linear_projection=True,
            addition_embed_type="text_time", addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )  # fmt: skip


def _encoder(kind: str, **facts: int) -> Any:
    import transformers

    with torch.device("meta"):
        return getattr(transformers, kind)(transformers.CLIPTextConfig(**facts))


@pytest.mark.parametrize(("wish", "count"), [("transformer", 722), ("convolutions", 788)])
def test_the_targets_are_the_incumbent_s(wish: str, count: int) -> None:
    """On the full-size U-Net the adapter has kohya's 722 modules, 788 with convolutions."""
    network = _full_unet()
    lora_layers.add(network, FAMILY.targets(wish), 4, 4.0)

    found = {FAMILY.export_name(name) for name in lora_layers.pairs(network)}

    assert len(found) == count
    before = ("input_blocks_", "middle_block_", "output_blocks_")
    assert all(name.removeprefix("lora_unet_").startswith(before) for name in found)


def test_both_encoders_have_the_incumbent_s_264_modules() -> None:
    """72 modules in the first text encoder and 192 in the second, under their own prefixes."""
    first = _encoder("CLIPTextModel", hidden_size=768, num_hidden_layers=12,
                     num_attention_heads=12, intermediate_size=3072)  # fmt: skip
    second = _encoder("CLIPTextModelWithProjection", hidden_size=1280, num_hidden_layers=32,
                      num_attention_heads=20, intermediate_size=5120)  # fmt: skip
    names = []
    for part, encoder in (("text_encoder", first), ("text_encoder_2", second)):
        lora_layers.add(encoder, FAMILY.text_targets, 4, 4.0)
        names += [FAMILY.export_name(name) for name in lora_layers.pairs(encoder, part)]

    assert len(set(names)) == 264
    assert "lora_te1_text_model_encoder_layers_0_self_attn_q_proj" in names
    assert "lora_te2_text_model_encoder_layers_31_mlp_fc2" in names
    assert sum(name.startswith("lora_te1_text_model_encoder_layers_") for name in names) == 72


def test_stable_diffusion_2_has_the_incumbent_s_modules() -> None:
    """192 modules in the U-Net, and 138 in the 23 layers of its text encoder."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        network: Any = UNet2DConditionModel(
            cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True
        )
    encoder = _encoder("CLIPTextModel", hidden_size=1024, num_hidden_layers=23,
                       num_attention_heads=16, intermediate_size=4096)  # fmt: skip
    lora_layers.add(network, SD2.lora_targets, 4, 4.0)
    lora_layers.add(encoder, SD2.text_targets, 4, 4.0)

    assert len({SD2.export_name(name) for name in lora_layers.pairs(network)}) == 192
    assert len({SD2.export_name(n) for n in lora_layers.pairs(encoder, "text_encoder")}) == 138
