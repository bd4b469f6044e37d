"""Folders whose weights are cut into shards."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.models.locate import Models
from prep.runtime.errors import ModelFileError
from tests.train.conftest import build_dataset
from tests.train.runs import lora, new_console
from train.export.model_files import Model, apply, write_folder
from train.families.detect import opened_base
from train.families.folder_weights import sharded
from train.families.sdxl import FAMILY


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Stable Diffusion XL, a file a part."""
    return FAMILY.tiny.write(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def cut(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, written back by us with U-Net and text encoders in shards."""
    target = tmp_path_factory.mktemp("cut") / "model"
    base = FAMILY.load(whole, "cpu")
    write_folder(target, Model(base, whole, FAMILY.layout, most_shard="150KB"), {})
    return target


def test_a_folder_of_shards_is_the_folder_of_whole_files(whole: Path, cut: Path) -> None:
    """Written in shards, read back, and looked through, a model is the same."""
    assert len(list((cut / "unet").glob("*-of-*.safetensors"))) > 2
    assert len(list((cut / "text_encoder_2").glob("model-*-of-*.safetensors"))) > 1
    one, two = FAMILY.load(whole, "cpu"), FAMILY.load(cut, "cpu")
    modules: list[tuple[Any, Any]] = [(one.network, two.network)]
    modules += [(one.encoders[part], two.encoders[part]) for part in one.encoders]
    for here, there in modules:
        found = there.state_dict()
        assert all(torch.equal(found[name], w) for name, w in here.state_dict().items())
    assert FAMILY.outline(cut).unread == ()
    with torch.no_grad():
        two.network.requires_grad_(False).conv_in.bias += 1  # type: ignore[operator, union-attr]
    apply(cut, two, FAMILY.layout)
    assert torch.equal(two.network.state_dict()["conv_in.bias"], one.network.conv_in.bias)  # type: ignore[union-attr, arg-type]


def test_a_lora_trains_on_shards(cut: Path, tmp_path: Path, models: Models) -> None:
    """Sizes are known from the headers of all shards, and the up weights move."""
    from safetensors.torch import load_file

    meta = build_dataset(tmp_path / "data", cut, count=1)
    found = load_file(lora(meta, tmp_path / "runs", models, new_console(), steps=1))

    assert all(tensor.any() for name, tensor in found.items() if name.endswith("up.weight"))


def test_a_shard_that_is_missing_is_named(cut: Path, tmp_path: Path, models: Models) -> None:
    """Half a model is refused before anything is loaded."""
    torn = shutil.copytree(cut, tmp_path / "torn")
    lost = sorted((torn / "unet").glob("*-of-*.safetensors"))[1]
    lost.unlink()
    count = lost.name.rpartition("-of-")[2].removesuffix(".safetensors")

    assert opened_base(str(torn), models)[1] is FAMILY
    with pytest.raises(ModelFileError) as caught:
        FAMILY.outline(torn)

    assert (str(caught.value), caught.value.hint) == (
        f"`{torn / 'unet'}` lacks `{lost.name}`, one of {int(count)} shards of its weights",
        "fetch it again, with every part of a diffusers folder as safetensors",
    )


def test_a_damaged_index_is_named(cut: Path, tmp_path: Path) -> None:
    """An index that cannot be read is two lines."""
    torn = shutil.copytree(cut, tmp_path / "torn")
    index = torn / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text("[1]")

    with pytest.raises(ModelFileError) as caught:
        FAMILY.outline(torn)

    assert str(caught.value) == f"`{index}` is not the index of a model's shards"


def test_variants_are_no_shards() -> None:
    """Only index and numbered shards stand for a whole file: not its half-precision twin."""
    from fnmatch import fnmatch

    patterns = sharded("unet/diffusion_pytorch_model.safetensors")

    def known(name: str) -> bool:
        return any(fnmatch(f"unet/diffusion_pytorch_model{name}", one) for one in patterns)

    assert known("-00001-of-00002.safetensors")
    assert known(".safetensors.index.json")
    assert not known(".fp16.safetensors")
    assert not known(".fp16-00001-of-00002.safetensors")
