"""What an export cannot hold is told before the training."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError
from tests.train.conftest import build_dataset
from tests.train.narrow import LAYOUT
from train.families import all_families
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


@pytest.mark.parametrize("name", ["sd2", "sdxl"])
def test_the_usual_models_pass(narrow_base: Callable[[str], Path], name: str) -> None:
    """A model as it is published is written as one file; its weights are not needed to know it."""
    from prep.models.vae import open_vae
    from train.export.rehearsal import rehearse

    family, place = all_families()[name], narrow_base(name)
    found: Any = family.outline(place).base
    coder: Any = open_vae(place, "cpu")

    rehearse("file", found, coder.to("meta"), place, family.layout)

    assert all(weight.is_meta for weight in found.network.parameters())
