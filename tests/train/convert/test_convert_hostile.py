"""LoRAs that are no whole ones: what each command says of them, and no output.

Files that are no whole files: the table in tests/train/weights/hostile.py.
"""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from prep.models.locate import Models
from prep.runtime.errors import UserError
from tests.train.convert.conftest import random_pairs, targets, write_kohya
from tests.train.runs import new_console
from train.convert.conversions import convert
from train.convert.low_rank import Cut
from train.convert.merging import MergeWish, merge
from train.convert.resizing import resize

Place = Callable[[str], Path]


_V1 = {"ss_base_model_version": "sd_v1"}
_FLUX = "lora_unet_double_blocks_0_x.lora_up.weight"


def _header(path: Path, head: object, data: bytes = b"") -> None:
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def _changed(source: Path, target: Path, ending: str, value: torch.Tensor | None) -> None:
    """Write a LoRA whose first tensor of an ending is another one, or missing."""
    tensors = load_file(source)
    name = next(name for name in sorted(tensors) if name.endswith(ending))
    del tensors[name]
    save_file(
        tensors | ({} if value is None else {name: value}),
        target,
        {"ss_base_model_version": "sd_v1"},
    )


# What is wrong -> (writes it out of a good LoRA, what the first line says of it).
FILES: dict[str, tuple[Callable[[Path, Path], Any], str]] = {
    "no tensors": (lambda good, to: _header(to, {}), "not a LoRA"),
    "NaN": (
        lambda good, to: _changed(good, to, "lora_up.weight", torch.full((32, 4, 1, 1), torch.nan)),
        "holds numbers that are not finite",
    ),
    "half a pair": (
        lambda good, to: _changed(good, to, "lora_up.weight", None),
        "is not whole: the tensors of",
    ),
    "other rank": (
        lambda good, to: _changed(good, to, "lora_up.weight", torch.ones(32, 9, 1, 1)),
        "is not whole: the tensors of",
    ),
    "wide alpha": (
        lambda good, to: _changed(good, to, ".alpha", torch.ones(3)),
        "is not whole: the tensors of",
    ),
    "foreign": (
        lambda good, to: save_file({"model.layers.0.weight": torch.ones(2)}, to),
        "not a LoRA",
    ),
    "flux": (
        lambda good, to: save_file({_FLUX: torch.ones(2, 2)}, to),
        "is a LoRA for a model of a kind that is not known here",
    ),
    "whole numbers": (
        lambda good, to: _changed(good, to, "lora_up.weight", torch.ones(32, 4, 1, 1).int()),
        "is a LoRA of numbers that are not supported, `I32`: the first module is `text_encoder.",
    ),
    "junk beside": (
        lambda good, to: save_file(load_file(good) | {"optimizer.x": torch.ones(2)}, to, _V1),
        "holds 1 tensor of no LoRA that is known: `optimizer.x`",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def good(folder_of: Place, home: Models, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good LoRA of Stable Diffusion 1.5."""
    few = dict(list(targets(folder_of("sd15"), home).items())[::20])
    path = tmp_path_factory.mktemp("good") / "good.safetensors"
    return write_kohya(path, "sd15", random_pairs(few))


@pytest.mark.parametrize("what", FILES)
def test_a_bad_lora_is_two_lines_of_every_command(
    good: Path, folder_of: Place, home: Models, tmp_path: Path, what: str
) -> None:
    """Converting, merging, resizing and adding it to a model: each says what is wrong with it."""
    write, told = FILES[what]
    bad, out, console = tmp_path / "a.safetensors", tmp_path / "out.safetensors", new_console()
    write(good, bad)
    commands: list[Callable[[], Any]] = [
        lambda: convert(str(bad), out, home, console, form="comfy"),
        lambda: merge([str(good), str(bad)], MergeWish(out), home, console),
        lambda: merge([str(bad)], MergeWish(out, into=str(folder_of("sd15"))), home, console),
        lambda: resize(bad, out, Cut(2), console),
    ]
    for command in commands:
        with pytest.raises(UserError) as caught:
            command()
        assert told in str(caught.value)
        assert caught.value.hint
        assert "\n" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"a.safetensors"}
