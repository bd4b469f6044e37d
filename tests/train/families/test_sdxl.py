from pathlib import Path
from typing import Any

import pytest
import torch

from train.families.family import PictureSizes
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
