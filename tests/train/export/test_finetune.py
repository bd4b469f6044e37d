import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.models import file_layouts, single_file, vae_files
from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import MachineError
from train.config import Config
from train.export.model_files import FORMS, Model
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.run import start


def _config(tmp_path: Path, **given: Any) -> Config:
    plain = {"method": "finetune", "steps": 2, "learning_rate": 1e-3, "name": "toy"}
    return config_of(**plain | {"out": tmp_path / "runs"} | given)


@pytest.fixture(scope="module")
def narrow(narrow_base: Callable[[str], Path]) -> Path:
    """A narrow model of the real block structure."""
    return narrow_base("sd15")


def test_a_folder_that_loads_again(meta: Path, tmp_path: Path, models: Models, base: Path) -> None:
    """The model is a diffusers folder that a pipeline and `train` open; all of the U-Net moved."""
    from diffusers import StableDiffusionPipeline

    made = start.start([meta], _config(tmp_path), models, Console(level=0))

    pipeline: Any = StableDiffusionPipeline.from_pretrained(str(made), local_files_only=True)
    before, after = (FAMILY.load(place, "cpu") for place in (base, made))
    old, new = before.network.state_dict(), after.network.state_dict()
    found = pipeline.unet.state_dict()
    assert all(torch.equal(found[name], new[name]) for name in new)
    assert sum(torch.equal(old[name], new[name]) for name in new) < 0.05 * len(new)
    text = before.encoders["text_encoder"].state_dict()
    assert all(
        torch.equal(text[n], w) for n, w in after.encoders["text_encoder"].state_dict().items()
    )
    assert vae_files.numbers(made, "x") == vae_files.numbers(base, "x")
    born = json.loads((made / "prep_certificate.json").read_text())
    assert len(json.loads(born["prep_certificate"])["samples"]) == 6


def test_a_text_encoder_of_older_names(
    tmp_path: Path, models: Models, base: Path, built_dataset: Callable[..., Path]
) -> None:
    """A base whose text encoder says `text_model.`, as most do, is written so again, and loads."""
    from safetensors.torch import load_file, save_file

    old = shutil.copytree(base, tmp_path / "old")
    weights = old / "text_encoder/model.safetensors"
    named = {f"text_model.{name}": tensor for name, tensor in load_file(weights).items()}
    save_file(named, weights, {"format": "pt"})

    meta = built_dataset(tmp_path / "data", old)
    made = start.start([meta], _config(tmp_path, steps=1), models, Console(level=0))

    one, two = (
        FAMILY.load(place, "cpu").encoders["text_encoder"].state_dict() for place in (base, made)
    )
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert load_file(made / "text_encoder/model.safetensors").keys() == named.keys()


def test_the_same_command_says_that_it_is_done(meta: Path, tmp_path: Path, models: Models) -> None:
    """A folder is recognised as a file is; with the text encoder it is another run."""
    made = start.start([meta], _config(tmp_path), models, Console(level=0))
    out = io.StringIO()

    start.start([meta], _config(tmp_path), models, Console(out=out, err=out))
    other = start.start([meta], _config(tmp_path, text_encoder=True), models, Console(level=0))

    assert out.getvalue() == f"already done: {made}\n"
    assert other.parent != made.parent
    one, two = (
        FAMILY.load(place, "cpu").encoders["text_encoder"].state_dict() for place in (made, other)
    )
    assert not any(torch.equal(one[n], two[n]) for n in one if n.endswith("q_proj.weight"))


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX limit")
@pytest.mark.parametrize(
    ("form", "most"), [("file", 50_000), ("folder", 50_000), ("folder", 2_000_000)]
)
def test_a_disk_that_takes_no_more(
    tmp_path: Path, base: Path, narrow: Path, form: str, most: int
) -> None:
    """Row 59: where the disk takes no more at a model's export, it is said, and nothing is left."""
    import resource

    source = narrow if form == "file" else base
    opened, place = FAMILY.load(source, "cpu"), tmp_path / "runs" / "model"
    # Too little for anything; enough for the VAE, which is copied, but not for the U-Net.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        with pytest.raises(MachineError) as caught:
            FORMS[form](place, Model(opened, source, FAMILY.layout), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert (str(caught.value), caught.value.hint) == (
        f"`{place}` cannot be written: File too large",
        "check the disk, then run the same command again",
    )
    assert list(place.parent.iterdir()) == []


def test_a_file_that_loads_again(
    tmp_path: Path, models: Models, narrow: Path, built_dataset: Callable[..., Path]
) -> None:
    """As one file the model holds what the folder holds, and is a base model like any other."""
    meta = built_dataset(tmp_path / "data", narrow)
    folder = start.start([meta], _config(tmp_path), models, Console(level=0))
    file = start.start([meta], _config(tmp_path / "f", save_as="file"), models, Console(level=0))

    assert file.suffix == ".safetensors"
    assert file_layouts.what(single_file.names(file)) == "a Stable Diffusion 1.x model"
    one, two = (FAMILY.load(place, "cpu").network.state_dict() for place in (file, folder))
    assert all(torch.equal(one[name], two[name]) for name in two)
    assert vae_files.numbers(file, "x") == vae_files.numbers(narrow, "x")
    again = _config(tmp_path / "g", base=str(file), steps=1)
    assert (start.start([meta], again, models, Console(level=0)) / "unet").is_dir()


def test_a_repeated_batch_is_learnt(meta: Path, tmp_path: Path, models: Models, base: Path) -> None:
    """With latents, noise and timesteps held fixed, the loss falls by half in 50 steps."""
    from train.loss_rows import LOSSES, errors

    opened = FAMILY.load(base, "cpu")
    opened.network.requires_grad_(True)
    generator = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 2, 4, 8, 8, generator=generator)
    when = torch.tensor([100, 800])
    process = opened.process
    noisy, target = process.mixture(x0, noise, when), process.target(x0, noise, when)
    state = FAMILY.encode(opened, ["mascot"])[0]["text"]
    optimizer = torch.optim.AdamW(opened.learning().values(), lr=1e-3)
    seen = []
    for _ in range(50):
        answer = FAMILY.denoise(opened.network, noisy, when, {"text": state.expand(2, -1, -1)})
        loss = errors(answer, target, LOSSES["l2"]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())

    assert seen[-1] < 0.5 * seen[0]
