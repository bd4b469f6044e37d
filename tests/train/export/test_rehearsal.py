"""What an export cannot hold is told before the training."""

import json
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.models import file_layouts
from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError
from tests.train.conftest import build_dataset
from tests.train.narrow import LAYOUT
from train.export.rehearsal import rehearse
from train.families.diffusion_process import diffusion_of
from train.families.family import Base
from train.families.noise_process import Prediction
from train.methods import config_of
from train.run import start


@pytest.fixture(scope="module")
def narrow(narrow_base: Callable[[str], Path]) -> Path:
    """A narrow Stable Diffusion XL."""
    return narrow_base("sdxl")


def _refused(base: Path, tmp_path: Path, models: Models, **given: Any) -> str:
    """Return why a fine-tune is refused; nothing has been written then."""
    meta = build_dataset(tmp_path / "data", base, count=1)
    config = config_of("finetune", steps=1, out=tmp_path / "runs", name="toy", **given)
    with pytest.raises(ConfigError) as caught:
        start.start([meta], config, models, Console(level=0))
    assert not (tmp_path / "runs").exists()
    return f"{caught.value}\n{caught.value.hint}"


def _edit(path: Path, **facts: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


def _other_heads(folder: Path) -> None:
    _edit(folder / "unet" / "config.json", attention_head_dim=[2, 2, 2])


def _other_scale(folder: Path) -> None:
    _edit(folder / "vae" / "config.json", scaling_factor=0.5)


def _other_noise(folder: Path) -> None:
    _edit(folder / "scheduler" / "scheduler_config.json", beta_end=0.02)


def _other_words(folder: Path) -> None:
    tokenizer = LAYOUT["sdxl"].padding
    assert tokenizer == {"tokenizer_2": "!"}
    shutil.copytree(folder / "tokenizer", folder / "tokenizer_2", dirs_exist_ok=True)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_other_heads, "`attention_head_dim` of its U-Net is [2, 2, 2], of a file [1, 1, 1]"),
        (_other_scale, "`scaling_factor` of its VAE is 0.5, of a file 0.13025"),
        (_other_noise, "its schedule of noise is another than that of its kind"),
        (_other_words, "its `tokenizer_2` has other words than CLIP's, and a file holds none"),
    ],
)
def test_what_one_file_cannot_hold_is_told_first(
    narrow: Path, tmp_path: Path, models: Models, change: Callable[[Path], None], why: str
) -> None:
    """A single file has no settings, words or schedule: a model of others is not written so."""
    base = shutil.copytree(narrow, tmp_path / "base")
    change(base)

    assert _refused(base, tmp_path, models, save_as="file") == (
        f"`{base}` cannot be written as one file: {why}\nwrite a folder: leave out `--save-as`"
    )


def test_what_a_folder_lacks_is_told_first(narrow: Path, tmp_path: Path, models: Models) -> None:
    """A tokenizer that the pipeline would not open is seen before anything is trained."""
    base = shutil.copytree(narrow, tmp_path / "base")
    index = json.loads((base / "model_index.json").read_text())
    del index["tokenizer_2"]
    (base / "model_index.json").write_text(json.dumps(index))

    assert _refused(base, tmp_path, models) == (
        f"`{base}` cannot be written back: its index names no `tokenizer_2`\n"
        "fetch its files again, or name another base model"
    )


def test_parts_that_are_not_written_are_not_in_the_index(
    narrow_base: Callable[[str], Path], tmp_path: Path, models: Models
) -> None:
    """A safety checker that the index names and nothing trains is left out, and it still opens."""
    from diffusers import StableDiffusionPipeline

    base = shutil.copytree(narrow_base("sd15"), tmp_path / "base")
    _edit(
        base / "model_index.json", requires_safety_checker=True,
        safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
        feature_extractor=["transformers", "CLIPImageProcessor"],
    )  # fmt: skip
    meta = build_dataset(tmp_path / "data", base, count=1)
    config = config_of("finetune", steps=1, out=tmp_path / "runs", name="toy")

    made = start.start([meta], config, models, Console(level=0))

    kind: Any = StableDiffusionPipeline
    assert kind.from_pretrained(str(made), local_files_only=True).safety_checker is None


@pytest.mark.parametrize("name", list(LAYOUT))
def test_the_published_models_pass(name: str) -> None:
    """At their real sizes, without a weight, all names and shapes go into one file and back."""
    import diffusers
    import transformers

    layout, parts = LAYOUT[name], {}
    for part in layout.parts():
        facts = layout.settings(part)
        kind: Any = getattr(transformers if part in layout.encoders else diffusers, _class(facts))
        with torch.device("meta"):
            is_text = part in layout.encoders
            parts[part] = (
                kind(transformers.CLIPTextConfig(**facts)) if is_text else (kind.from_config(facts))
            )
    network, coder = parts.pop("unet"), parts.pop("vae")
    with resources.as_file(file_layouts.shipped(name)) as folder:
        process = diffusion_of(folder / "scheduler", Prediction.EPSILON)

    rehearse("file", Base(network, {}, process, "meta", parts), coder, Path("x"), layout)


def _class(facts: dict[str, Any]) -> str:
    return str(facts.get("_class_name") or facts["architectures"][0])
