"""A tiny Stable Diffusion 1.x folder with random weights, and a small dataset with its latents."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from prep.dataset import dataset_file
from prep.dataset.dataset_file import Concept, Dataset, Sample
from prep.models import vae, vae_files
from prep.models.locate import Models
from prep.runtime import files
from tinyworld.training.base_files import INDEX

BUCKETS = ((64, 64), (32, 64), (64, 32))


def build_tokenizer(folder: Path) -> None:
    """Write vocab.json and merges.txt of CLIP's byte alphabet, as hub folders have them."""
    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    words = [*letters, *(letter + "</w>" for letter in letters)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {word: index for index, word in enumerate(words)}
    tokenizer = CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)
    tokenizer.save_pretrained(str(folder))


def build_base(folder: Path, prediction: str = "epsilon", seed: int = 0) -> Path:
    """Write a diffusers folder of Stable Diffusion 1.x: real classes, a few channels."""
    import torch
    from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=8,
    )
    coder = AutoencoderKL(
        block_out_channels=(32, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        scaling_factor=0.18215,
    )
    text = CLIPTextConfig(
        vocab_size=514,
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
    )
    scheduler = PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
        skip_prk_steps=True,
        steps_offset=1,
    )
    for part, name in ((unet, "unet"), (coder, "vae"), (CLIPTextModel(text), "text_encoder")):
        part.save_pretrained(str(folder / name))
    scheduler.save_pretrained(str(folder / "scheduler"))
    build_tokenizer(folder / "tokenizer")
    index = INDEX | {
        "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2, sort_keys=True))
    return folder


def build_dataset(
    folder: Path, base: Path, count: int = 6, buckets: tuple[tuple[int, int], ...] = BUCKETS
) -> Path:
    """Write a dataset of samples that take turns in the buckets; return its file."""
    import torch

    numbers = vae_files.numbers(base, "small")
    state = folder / "images" / ".prep"
    samples: dict[str, Sample] = {}
    for number in range(count):
        width, height = buckets[number % len(buckets)]
        generator = torch.Generator().manual_seed(number)
        shape = (2, 4, height // 8, width // 8)
        mean, logvar = torch.randn(shape, generator=generator)
        files.write(
            state / f"latents/{number}.safetensors", vae.dump(vae.Latents(mean, logvar - 3))
        )
        samples[f"{number}.png"] = Sample(
            digest=f"{number:064x}",
            original_size=(width, height),
            tags=("mascot", f"pose {number % 2}"),
            concept="toy",
            bucket=(width, height),
            latents=f"latents/{number}.safetensors",
        )
    meta = folder / "meta_lat.json"
    found = Dataset(
        root="images",
        state="images/.prep",
        samples=samples,
        concepts={"toy": Concept(trigger="mascot")},
        base=str(base),
        vae=numbers,
    )
    files.write(meta, dataset_file.dump(found))
    return meta


def change(meta: Path, key: str | None = None, /, **values: object) -> Path:
    """Write a dataset anew with other fields; with `key`, those of one sample."""
    found = dataset_file.load(meta)
    if key is None:
        found = replace(found, **values)  # type: ignore[arg-type]
    else:
        one = replace(found.samples[key], **values)  # type: ignore[arg-type]
        found = replace(found, samples={**found.samples, key: one})
    files.write(meta, dataset_file.dump(found))
    return meta


@pytest.fixture(scope="session")
def built_base() -> Callable[..., Path]:
    """The function that writes a tiny base model."""
    return build_base


@pytest.fixture
def built_dataset() -> Callable[..., Path]:
    """The function that writes a small dataset."""
    return build_dataset


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base model's folder; never changed."""
    return build_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def meta(tmp_path: Path, base: Path) -> Path:
    """A dataset file of six samples with latents."""
    return build_dataset(tmp_path / "data", base)


@pytest.fixture
def changed() -> Callable[..., Path]:
    """The function that edits a dataset file."""
    return change


@pytest.fixture
def models(tmp_path: Path) -> Models:
    """Models of a user without a hub."""
    return Models(tmp_path / "home", offline=True)
