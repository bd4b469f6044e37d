import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prep import tensorfile
from prep.console import Console
from prep.models import Models
from train import data, export, lora, run
from train.config import Config
from train.families.sd15 import FAMILY
from train.family import Prediction
from train.lora import Pair


@pytest.fixture
def made(meta: Path, tmp_path: Path, models: Models) -> Path:
    """A LoRA of three steps, rank 4, alpha 2, learnt fast enough to be seen."""
    config = Config(steps=3, rank=4, alpha=2.0, learning_rate=0.01, out=tmp_path, name="toy")
    return run.lora([meta], config, models, Console(level=0))


def _picture(pipeline: Any) -> Any:
    generator = torch.Generator().manual_seed(0)
    return pipeline(
        "mascot, pose 1", width=64, height=64, num_inference_steps=2, guidance_scale=2.0,
        generator=generator, output_type="np",
    ).images  # fmt: skip


@pytest.fixture
def pipeline(base: Path) -> Any:
    """The base model as diffusers alone opens it."""
    from diffusers import StableDiffusionPipeline

    found = StableDiffusionPipeline.from_pretrained(str(base), local_files_only=True)
    found.set_progress_bar_config(disable=True)
    return found


def test_diffusers_loads_every_tensor_and_the_picture_changes(made: Path, pipeline: Any) -> None:
    """A pipeline holds as many adapter tensors as the file, equal to them, and they work."""
    from safetensors.torch import load_file

    before = _picture(pipeline)
    pipeline.load_lora_weights(str(made))

    saved = load_file(made)
    loaded = {name: p for name, p in pipeline.unet.named_parameters() if ".lora_" in name}
    assert len(loaded) == len([name for name in saved if not name.endswith(".alpha")]) > 0
    words = {"lora_A": "lora_down", "lora_B": "lora_up"}
    for name, value in loaded.items():
        module, word = name.removesuffix(".default_0.weight").rsplit(".", 1)
        kohya = f"lora_unet_{module.replace('.', '_')}.{words[word]}.weight"
        assert torch.equal(value, saved[kohya]), kohya
    assert abs(_picture(pipeline) - before).max() > 1e-3


def test_alpha_is_true_after_loading(made: Path, pipeline: Any, base: Path) -> None:
    """The loaded LoRA acts with alpha / rank: the network answers as the trained one does."""
    from safetensors.torch import load_file

    saved = load_file(made)
    pipeline.load_lora_weights(str(made))
    trained = FAMILY.load(base, "cpu")
    lora.add(trained.network, FAMILY.lora_targets, 4, 2.0)
    for name, pair in lora.pairs(trained.network).items():
        pair.down.data.copy_(saved[f"{FAMILY.export_name(name)}.lora_down.weight"])
        pair.up.data.copy_(saved[f"{FAMILY.export_name(name)}.lora_up.weight"])
    (state,) = FAMILY.encode(trained, ["mascot"])
    given = (torch.ones(1, 4, 8, 8), torch.tensor([500]), {"text": state["text"][None]})

    with torch.no_grad():
        wanted = FAMILY.denoise(trained.network, *given)
        found = FAMILY.denoise(pipeline.unet, *given)

    assert torch.equal(found, wanted)


def test_names_shapes_and_alphas_are_kohya_s(made: Path) -> None:
    """Per module there are down, up and a 0-dim alpha of the value asked for."""
    from safetensors.torch import load_file

    saved = load_file(made)
    modules = {name.split(".")[0] for name in saved}

    assert set(saved) == {
        f"{m}.{word}" for m in modules for word in ("lora_down.weight", "lora_up.weight", "alpha")
    }
    # 1 down block and 2 up layers with attention, and the middle: 4 transformers of 12 modules.
    assert len(modules) == 48
    assert all(saved[f"{m}.alpha"].shape == () and saved[f"{m}.alpha"] == 2.0 for m in modules)
    place = "lora_unet_down_blocks_0_attentions_0"
    assert saved[f"{place}_proj_in.lora_down.weight"].shape == (4, 32, 1, 1)
    assert saved[f"{place}_proj_in.lora_up.weight"].shape == (32, 4, 1, 1)
    assert saved[f"{place}_transformer_blocks_0_attn2_to_k.lora_down.weight"].shape == (4, 32)


def test_the_file_says_what_it_is(made: Path, meta: Path, models: Models) -> None:
    """Metadata name network, base model, settings, tags and recipe, all as text, none by clock."""
    config = json.loads((made.parent / "config.json").read_text())

    assert dict(tensorfile.header(made).metadata) == {
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.prediction_type": "epsilon",
        "modelspec.resolution": "64x64",
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.title": "toy",
        "prep_base_digest": config["base_digest"],
        "prep_version": run.program_version(),
        "ss_base_model_version": "sd_v1",
        "ss_learning_rate": "0.01",
        "ss_lr_scheduler": "constant",
        "ss_max_train_steps": "3",
        "ss_mixed_precision": "no",
        "ss_network_alpha": "2.0",
        "ss_network_dim": "4",
        "ss_network_module": "networks.lora",
        "ss_num_train_images": "6",
        "ss_num_validation_images": "0",
        "ss_optimizer": "torch.optim.adamw.AdamW",
        "ss_output_name": "toy",
        "ss_seed": "0",
        "ss_session_id": config["recipe"],
        "ss_steps": "3",
        "ss_tag_frequency": '{"toy": {"mascot": 6, "pose 0": 3, "pose 1": 3}}',
        "ss_total_batch_size": "1",
        "ss_unet_lr": "0.01",
        "ss_v2": "False",
    }
    assert export.recipe_of(made) == config["recipe"]


def test_a_v_model_is_marked(meta: Path) -> None:
    """A LoRA of a v_prediction base model says so in both vocabularies."""
    facts = dict.fromkeys(("name", "recipe", "base_digest", "version"), "x")

    found = export.metadata(data.load([meta]), Config(), FAMILY, facts, Prediction.V_PREDICTION)

    assert found["ss_base_model_version"] == "sd_v1_v"
    assert found["modelspec.prediction_type"] == "v"


def test_a_caption_is_counted_whole(meta: Path, changed: Callable[..., Path]) -> None:
    """Commas of a caption are never taken for tags."""
    changed(meta, "0.png", text="caption", caption="a toy, red")
    changed(meta, "1.png", text="both", caption="blue")

    counts = export.tag_frequency(data.load([meta]), "n")

    assert counts == {"toy": {"a toy, red": 1, "blue": 1, "mascot": 5, "pose 0": 2, "pose 1": 3}}


def test_the_tensors_are_copies_in_float32() -> None:
    """Half-precision weights are written as float32; the order of modules changes nothing."""
    pair = Pair(torch.ones(1, 2, dtype=torch.float16), torch.zeros(3, 1, dtype=torch.float16))

    found = export.named({"a.b": pair}, 4, FAMILY.export_name)

    assert {name: (value.dtype, value.shape) for name, value in found.items()} == {
        "lora_unet_a_b.lora_down.weight": (torch.float32, (1, 2)),
        "lora_unet_a_b.lora_up.weight": (torch.float32, (3, 1)),
        "lora_unet_a_b.alpha": (torch.float32, ()),
    }
