"""Tests of the tiny base model: the real format, loaded by the real libraries."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

import tinyworld
from tinyworld.vocabulary import clip_vocabulary, merges_for
from tinyworld.words import words

MODELS = Path(tinyworld.__file__).parent / "models"


def test_the_models_are_small() -> None:
    """All of them together take 15 MB at most."""
    sizes = [path.stat().st_size for path in MODELS.rglob("*") if path.is_file()]

    assert sum(sizes) <= 15_000_000


def test_merges_make_every_word_one_token() -> None:
    """Byte-pair encoding by the merges ends in one token for each word of the world."""
    merges = merges_for(words())
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    vocabulary = clip_vocabulary(merges)

    for word in words():
        parts = [*word[:-1], word[-1] + "</w>"]
        while pairs := [pair for pair in pairwise(parts) if pair in ranks]:
            first = min(pairs, key=ranks.__getitem__)
            place = next(n for n in range(len(parts)) if tuple(parts[n : n + 2]) == first)
            parts[place : place + 2] = ["".join(first)]
        assert parts == [word + "</w>"]
        assert parts[0] in vocabulary
    assert next(iter(vocabulary)) == "!"
    assert list(vocabulary)[-2:] == ["<|startoftext|>", "<|endoftext|>"]
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))


def test_the_base_model_loads_and_draws() -> None:
    """The folder loads without the hub, and its picture depends on the prompt."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(MODELS / "base", local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)

    def drawn(prompt: str) -> np.ndarray[Any, Any]:
        dice = torch.Generator().manual_seed(1)
        size = {"height": 128, "width": 96}
        answer = pipeline(prompt, num_inference_steps=2, generator=dice, output_type="np", **size)
        return np.asarray(answer.images[0])

    one, same, other = drawn("a coral mascot"), drawn("a coral mascot"), drawn("snow at night")
    assert one.shape == (128, 96, 3)
    assert np.array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3
    assert pipeline.vae_scale_factor == 8
    assert pipeline.safety_checker is None
    assert pipeline.tokenizer.model_max_length == 77
    assert pipeline.tokenizer.tokenize("a Coral mascot") == ["a</w>", "coral</w>", "mascot</w>"]


def test_the_text_encoder_is_named_as_on_the_hub() -> None:
    """Its tensors carry the `text_model.` prefix, and transformers misses none of them."""
    from transformers import CLIPTextModel

    names = set(load_file(MODELS / "base" / "text_encoder" / "model.safetensors"))
    loaded: Any = CLIPTextModel.from_pretrained(
        MODELS / "base" / "text_encoder", output_loading_info=True, local_files_only=True
    )

    assert {name.split(".")[0] for name in names} == {"text_model"}
    assert loaded[1]["missing_keys"] == loaded[1]["unexpected_keys"] == set()
    assert len({name.split(".")[3] for name in names if ".layers." in name}) == 12


def test_the_unet_has_the_real_ones_places() -> None:
    """Its linear and 1x1 layers under attention blocks are the 192 of SD 1.x, by name."""
    from diffusers import UNet2DConditionModel

    unet: Any = UNet2DConditionModel.from_pretrained(
        MODELS / "base" / "unet", local_files_only=True
    )
    blocks = [
        name for name, part in unet.named_modules() if type(part).__name__ == "Transformer2DModel"
    ]
    layers = [
        name
        for name, part in unet.named_modules()
        if isinstance(part, torch.nn.Linear | torch.nn.Conv2d) and ".attentions." in name
    ]

    assert len(blocks) == 16
    assert len(layers) == 192
    assert unet.dtype == torch.float32
