"""Tests of the tiny base model: a Stable Diffusion 1.x folder, loaded by the real libraries."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import tinyworld
from prep.models.file_layouts import SD15
from tinyworld.draw import draw
from tinyworld.labels import clip_vocabulary, merges_for
from tinyworld.training.base import new_unet, signal_rates
from tinyworld.training.base_files import write_base, write_tokenizer
from tinyworld.training.tiny_text import new_text_encoder, said_so_far
from tinyworld.training.tiny_vae import new_vae, pixels, scale_latents
from tinyworld.words import words
from tinyworld.world import random_scene

MODELS = Path(tinyworld.__file__).parent / "models"
BASE = MODELS / "base"


@pytest.fixture(scope="module")
def pipeline() -> Any:
    from diffusers import StableDiffusionPipeline

    opened = StableDiffusionPipeline.from_pretrained(BASE, local_files_only=True)
    opened.set_progress_bar_config(disable=True)
    return opened


def test_all_models_take_15_megabytes_at_most() -> None:
    """Everything that ships in the package as a model is less than 15 MB on disk."""
    sizes = [path.stat().st_size for path in MODELS.rglob("*") if path.is_file()]

    assert sum(sizes) < 15_000_000


def test_the_base_model_loads_and_draws(pipeline: Any) -> None:
    """The folder loads without the hub, and its picture depends on the prompt."""

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

    names = set(load_file(BASE / "text_encoder" / "model.safetensors"))
    loaded: Any = CLIPTextModel.from_pretrained(
        BASE / "text_encoder", output_loading_info=True, local_files_only=True
    )

    assert {name.split(".")[0] for name in names} == {"text_model"}
    assert loaded[1]["missing_keys"] == loaded[1]["unexpected_keys"] == set()
    assert len({name.split(".")[3] for name in names if ".layers." in name}) == 12


def test_the_unet_has_its_layers_where_the_real_one_has() -> None:
    """Every layer's name is a layer's name of SD 1.5, and half-width weights are what is saved."""
    from diffusers import UNet2DConditionModel

    real_config = SD15.settings("unet")
    kind: Any = UNet2DConditionModel
    with torch.device("meta"):
        real = {name for name, _ in kind.from_config(real_config).named_parameters()}
    unet: Any = kind.from_pretrained(BASE / "unet", local_files_only=True)
    ours = {name for name, _ in unet.named_parameters()}

    # Its lowest level is narrower than the one above, where the real one's is as wide.
    assert {name.rsplit(".", 1)[0] for name in ours - real} == {
        "down_blocks.3.resnets.0.conv_shortcut"
    }
    assert len([name for name in ours if name.endswith("attn2.to_k.weight")]) == 10
    with safe_open(BASE / "unet" / "diffusion_pytorch_model.safetensors", "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in ours} == {"F16"}


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


def test_the_committed_files_are_of_these_shapes(tmp_path: Path) -> None:
    """What training would write has the package's files, configs and tensor shapes."""
    vocabulary = write_tokenizer(tmp_path)
    write_base(tmp_path, new_unet(), new_text_encoder(vocabulary), new_vae(0))

    def files(folder: Path) -> list[str]:
        return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())

    assert files(tmp_path) == files(BASE)
    for name in files(BASE):
        ours, theirs = BASE / name, tmp_path / name
        if name.endswith(".safetensors"):
            made, kept = load_file(theirs), load_file(ours)
            assert {k: v.shape for k, v in made.items()} == {k: v.shape for k, v in kept.items()}
        elif name == "text_encoder/config.json":
            assert without_version(ours) == without_version(theirs)
        elif "tokenizer" in name:
            assert ours.read_bytes() == theirs.read_bytes()


def without_version(config: Path) -> dict[str, object]:
    """Return a model's config without the version of the library that wrote it."""
    found: dict[str, object] = json.loads(config.read_text(encoding="utf-8"))
    assert found.pop("transformers_version")
    return found


def test_a_state_is_asked_for_what_was_said_up_to_it() -> None:
    """A token counts from its place on, once however often it is said."""
    found = said_so_far(torch.tensor([[2, 0, 2, 1]]), 4)

    assert found.tolist() == [[[0, 0, 1, 0], [1, 0, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0]]]


def test_latents_are_scaled_and_pictures_stay() -> None:
    """After scaling, latents have mean 0 and deviation 1 / 0.18215; a picture comes back alike."""
    vae = new_vae(0).eval()
    images = np.stack([np.asarray(draw(random_scene(n), n).resize((64, 64))) for n in range(8)])
    batch = pixels(images)
    with torch.no_grad():
        before = vae.encode(batch).latent_dist
        answer = vae.decode(before.mean).sample
        scale_latents(vae, images)
        after = vae.encode(batch).latent_dist
        again = vae.decode(after.mean).sample

    mean, deviation = after.mean.mean((0, 2, 3)), after.mean.std((0, 2, 3))
    assert torch.allclose(mean, torch.zeros(4), atol=1e-4)
    assert torch.allclose(deviation * 0.18215, torch.ones(4), atol=1e-4)
    assert torch.allclose(answer, again, atol=1e-4)
    shrunk = (before.std / before.mean.std((0, 2, 3))[:, None, None]).mean()
    kept = (after.std / after.mean.std((0, 2, 3))[:, None, None]).mean()
    assert torch.allclose(shrunk, kept, rtol=1e-3)


def test_the_noise_schedule_is_the_scheduler_s() -> None:
    """The rates that the base model learnt with are those of the scheduler it ships with."""
    from diffusers import DDIMScheduler

    kind: Any = DDIMScheduler
    scheduler = kind.from_pretrained(BASE / "scheduler", local_files_only=True)

    assert torch.allclose(signal_rates(), scheduler.alphas_cumprod, rtol=1e-4)
