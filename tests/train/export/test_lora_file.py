import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.models import safetensors_file
from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import MachineError
from train.adapters import lora_layers
from train.adapters.lora_layers import Pair
from train.export import lora_file, verify
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.run import start


@pytest.fixture
def made(meta: Path, tmp_path: Path, models: Models) -> Path:
    """A LoRA of three steps, rank 4, alpha 2, learnt fast enough to be seen."""
    config = config_of(steps=3, rank=4, alpha=2.0, learning_rate=0.01, out=tmp_path, name="toy")
    return start.start([meta], config, models, Console(level=0))


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
    lora_layers.add(trained.network, FAMILY.lora_targets, 4, 2.0)
    for name, pair in lora_layers.pairs(trained.network).items():
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


def test_the_tensors_are_copies_in_float32() -> None:
    """Half-precision weights are written as float32; the order of modules changes nothing."""
    pair = Pair(torch.ones(1, 2, dtype=torch.float16), torch.zeros(3, 1, dtype=torch.float16))

    found = lora_file.named({"a.b": pair}, lambda module: 4, FAMILY)

    assert {name: (value.dtype, value.shape) for name, value in found.items()} == {
        "lora_unet_a_b.lora_down.weight": (torch.float32, (1, 2)),
        "lora_unet_a_b.lora_up.weight": (torch.float32, (3, 1)),
        "lora_unet_a_b.alpha": (torch.float32, ()),
    }


def test_the_hashes_are_those_a_webui_computes(made: Path) -> None:
    """The model's hash is that of all bytes behind the header, which WebUIs compute of the file."""
    said = safetensors_file.header(made).metadata
    data = made.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")

    assert said["sshs_model_hash"] == hashlib.sha256(data[start:]).hexdigest()
    assert len(said["sshs_legacy_hash"]) == 8


def test_a_file_that_acts_otherwise_is_not_published(made: Path, base: Path) -> None:
    """A file with another alpha or another number than the trained model's is found out."""
    from safetensors.torch import load_file, save_file

    trained = FAMILY.load(base, "cpu")
    lora_layers.add(trained.network, FAMILY.lora_targets, 4, 2.0)
    saved = load_file(made)
    for name, pair in lora_layers.pairs(trained.network).items():
        pair.down.data.copy_(saved[f"{FAMILY.export_name(name)}.lora_down.weight"])
        pair.up.data.copy_(saved[f"{FAMILY.export_name(name)}.lora_up.weight"])
    verify.check_applied(made, trained, FAMILY)
    before = [pair.up.clone() for pair in lora_layers.pairs(trained.network).values()]

    for ending in (".alpha", ".lora_up.weight"):
        wrong = dict(saved)
        name = next(name for name in wrong if name.endswith("attn1_to_q" + ending))
        wrong[name] = wrong[name] * 2
        file = made.with_name("wrong.safetensors")
        save_file(wrong, file)
        with pytest.raises(MachineError) as caught:
            verify.check_applied(file, trained, FAMILY)
        assert str(caught.value) == "the export does not do what the trained model does"
    verify.check_applied(made, trained, FAMILY)
    after = [pair.up for pair in lora_layers.pairs(trained.network).values()]
    assert all(torch.equal(one, two) for one, two in zip(before, after, strict=True))
