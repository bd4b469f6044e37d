"""Small models of every family's exact structure, and random LoRAs for them."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from prep.models.locate import Models
from prep.runtime.errors import UserError
from tests.train.runs import new_console
from train.convert.base_model import BaseModel, opened
from train.convert.conversions import convert
from train.families import all_families

FAMILIES = tuple(all_families())
# kohya's prefix of each part.
BEFORE: Mapping[str, Mapping[str, str]] = {
    "sd15": {"text_encoder": "lora_te_text_model_"},
    "sd2": {"text_encoder": "lora_te_text_model_"},
    "sdxl": {"text_encoder": "lora_te1_text_model_", "text_encoder_2": "lora_te2_text_model_"},
}


@pytest.fixture(scope="session")
def folder_of(
    narrow_base: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The function from a family's name to a small folder of it; never changed."""
    made: dict[str, Path] = {}

    def found(name: str) -> Path:
        if name != "sd35":
            return narrow_base(name)
        if name not in made:
            made[name] = all_families()[name].tiny.write(tmp_path_factory.mktemp(name) / name)
        return made[name]

    return found


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Models of a user without a hub."""
    return Models(tmp_path_factory.mktemp("home"), offline=True)


@pytest.fixture(scope="session")
def file_of(
    folder_of: Callable[[str], Path], home: Models, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The function from a family's name to the same model in one file, written by `convert`."""
    top = tmp_path_factory.mktemp("files")

    def found(name: str) -> Path:
        place = top / f"{name}.safetensors"
        if not place.exists():
            convert(str(folder_of(name)), place, home, new_console(), form="file")
        return place

    return found


@pytest.fixture(scope="session")
def back_of(
    folder_of: Callable[[str], Path],
    file_of: Callable[[str], Path],
    home: Models,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Path]:
    """The function from a family's name to a folder that was made of its file by `convert`."""
    top = tmp_path_factory.mktemp("back")

    def found(name: str) -> Path:
        place = top / name
        if not place.exists():
            like = {"like": str(folder_of(name))} if name == "sd35" else {}
            convert(str(file_of(name)), place, home, new_console(), form="folder", **like)
        return place

    return found


def equal(one: Mapping[str, torch.Tensor], two: Mapping[str, torch.Tensor]) -> bool:
    """Return whether two sets of tensors have the same names, dtypes, shapes and numbers."""
    return one.keys() == two.keys() and all(
        one[name].dtype == two[name].dtype and torch.equal(one[name], two[name]) for name in one
    )


def numbers(model: BaseModel) -> dict[str, torch.Tensor]:
    """Return all tensors of a model."""
    return {name: one.read() for name, one in model.all().items()}


def all_of(place: Path, home: Models) -> dict[str, torch.Tensor]:
    """Return all tensors of a model at a place."""
    return numbers(opened(str(place), home))


def targets(folder: Path, home: Models, convolutions: bool = True) -> dict[str, tuple[int, ...]]:
    """Return the modules of a model that get adapters, and the shapes of their weights."""
    model = opened(str(folder), home)
    family, found = model.family, {}
    endings = {family.network: (*family.lora_targets, *family.convolution_targets)}
    if not convolutions:
        endings = {family.network: family.lora_targets}
    endings |= dict.fromkeys(family.encoders, family.text_targets)
    for part, ends in endings.items():
        for name, one in model.parts[part].items():
            module = name.removesuffix(".weight")
            if module != name and module.endswith(ends) and len(one.shape) in (2, 4):
                found[f"{part}.{module}"] = one.shape
    return found


Pair = tuple[torch.Tensor, torch.Tensor, float]


def random_pairs(
    modules: Mapping[str, tuple[int, ...]], seed: int = 0, rank: int = 4
) -> dict[str, Pair]:
    """Return random down and up weights and an alpha of each module; some have another rank."""
    dice = torch.Generator().manual_seed(seed)
    found = {}
    for number, (name, shape) in enumerate(modules.items()):
        own = rank if number % 5 else rank // 2
        down = torch.randn((own, *shape[1:]), generator=dice) * 0.1
        up = torch.randn((shape[0], own, *(1 for _ in shape[2:])), generator=dice) * 0.1
        found[name] = (down, up, float(1 + number % 3))
    return found


def write_kohya(
    path: Path, name: str, pairs: Mapping[str, Pair], said: Mapping[str, str] | None = None
) -> Path:
    """Write a LoRA by kohya's names, with alphas; of SD 3.5 by diffusers', scaled."""
    family, found = all_families()[name], {}
    for module, (down, up, alpha) in pairs.items():
        if name == "sd35":
            part, _, inner = module.partition(".")
            word = module if part == "transformer" else f"{part}.text_model.{inner}"
            found[f"{word}.lora_A.weight"] = down
            found[f"{word}.lora_B.weight"] = up * (alpha / len(down))
        else:
            word = family.export_name(module.removeprefix("unet."))
            found |= {f"{word}.lora_down.weight": down, f"{word}.lora_up.weight": up}
            found[f"{word}.alpha"] = torch.tensor(alpha)
    told = {"ss_base_model_version": family.base_version, "ss_network_dim": "4"}
    save_file(found, path, told | dict(said or {}))
    return path


def delta(pair: Pair) -> torch.Tensor:
    """Return what a pair adds to its weight, float64."""
    down, up, alpha = pair
    whole = up.double().flatten(1) @ down.double().flatten(1) * (alpha / len(down))
    return whole.reshape(len(up), *down.shape[1:])


def error_of(call: Callable[..., Any], *given: Any, **named: Any) -> tuple[str, str | None]:
    """Return the two lines that a call fails with."""
    with pytest.raises(UserError) as caught:
        call(*given, **named)
    return str(caught.value), caught.value.hint


def loaded(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a file."""
    return load_file(path)


def second(folder: Path, top: Path, seed: int) -> Path:
    """Return another model of the same structure, as a folder."""
    place = shutil.copytree(folder, top / f"model{seed}")
    dice = torch.Generator().manual_seed(seed)
    for file in place.rglob("*.safetensors"):
        moved = {n: one + 0.1 * torch.randn(one.shape, generator=dice) if one.is_floating_point()
                 else one for n, one in load_file(file).items()}  # fmt: skip
        save_file(moved, file, {"format": "pt"})
    return place
