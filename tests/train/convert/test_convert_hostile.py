"""Torn, hostile, foreign, NaN-filled and empty files: two lines of every command, no output."""

import json
import pickle
import struct
import zipfile
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
from train.convert.extraction import ExtractWish, extract
from train.convert.low_rank import Cut
from train.convert.merging import MergeWish, merge
from train.convert.resizing import resize

Place = Callable[[str], Path]


_V1 = {"ss_base_model_version": "sd_v1"}
_FLUX = "lora_unet_double_blocks_0_x.lora_up.weight"


class _Bomb:
    """What a pickle would call when it is opened by a program that lets it."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("/tmp/ran"),))  # noqa: S108  (it is never run)


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


def _pickled(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps({"state_dict": {"lora_unet_x": _Bomb()}}))
        archive.writestr("x/version", "3\n")


def _torch_pickle(path: Path) -> None:
    torch.save({"lora_unet_a.lora_up.weight": torch.ones(2)}, path)


_WORD = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
# What is wrong -> (its name, writes it out of a good LoRA, what the first line says of it).
FILES: dict[str, tuple[str, Callable[[Path, Path], Any], str]] = {
    "missing": ("a.safetensors", lambda good, to: None, "there is no file"),
    "empty": ("a.safetensors", lambda good, to: to.touch(), "is damaged"),
    "torn": ("a.safetensors", lambda good, to: to.write_bytes(good.read_bytes()[:-9]), "damaged"),
    "torn header": (
        "a.safetensors", lambda good, to: to.write_bytes(good.read_bytes()[:99]), "is damaged"
    ),
    "text": ("a.safetensors", lambda good, to: to.write_text("x" * 99), "is damaged"),
    "pickle": ("a.safetensors", lambda good, to: _torch_pickle(to), "is a pickle named .safe"),
    "code": ("a.ckpt", lambda good, to: _pickled(to), ""),
    "other ending": ("a.txt", lambda good, to: to.write_text("x"), "is no"),
    "no tensors": ("a.safetensors", lambda good, to: _header(to, {}), "not a LoRA"),
    "lists": ("a.safetensors", lambda good, to: _header(to, {"a": [1]}), "is damaged"),
    "strange dtype": (
        "a.safetensors",
        lambda good, to: _header(
            to, {"lora_unet_a.lora_up.weight": {**_WORD, "dtype": "I3"}}, bytes(16)
        ),
        "of a kind that is not supported, `I3`",
    ),
    "too few bytes": (
        "a.safetensors",
        lambda good, to: _header(
            to, {"lora_unet_a.lora_up.weight": {**_WORD, "shape": [9, 9]}}, bytes(16)
        ),
        "has not as many bytes as its shape asks for",
    ),
    "negative": (
        "a.safetensors",
        lambda good, to: _header(
            to, {"lora_unet_a.lora_up.weight": {**_WORD, "shape": [-2, -2]}}, bytes(16)
        ),
        "has not as many bytes as its shape asks for",
    ),
    "NaN": (
        "a.safetensors",
        lambda good, to: _changed(good, to, "lora_up.weight", torch.full((32, 4, 1, 1), torch.nan)),
        "holds numbers that are not finite",
    ),
    "half a pair": (
        "a.safetensors",
        lambda good, to: _changed(good, to, "lora_up.weight", None),
        "is not whole: the tensors of",
    ),
    "other rank": (
        "a.safetensors",
        lambda good, to: _changed(good, to, "lora_up.weight", torch.ones(32, 9, 1, 1)),
        "is not whole: the tensors of",
    ),
    "wide alpha": (
        "a.safetensors",
        lambda good, to: _changed(good, to, ".alpha", torch.ones(3)),
        "is not whole: the tensors of",
    ),
    "foreign": (
        "a.safetensors",
        lambda good, to: save_file({"model.layers.0.weight": torch.ones(2)}, to),
        "not a LoRA",
    ),
    "flux": (
        "a.safetensors",
        lambda good, to: save_file({_FLUX: torch.ones(2, 2)}, to),
        "is a LoRA for a model of a kind that is not known here",
    ),
    "junk beside": (
        "a.safetensors",
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
    name, write, told = FILES[what]
    bad, out, console = tmp_path / name, tmp_path / "out.safetensors", new_console()
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
    assert {path.name for path in tmp_path.iterdir()} <= {name}


@pytest.mark.parametrize("what", ["missing", "empty", "torn", "pickle", "code", "foreign", "flux"])
def test_a_bad_model_is_two_lines_of_every_command(
    good: Path, file_of: Place, home: Models, tmp_path: Path, what: str
) -> None:
    """In the place of a base model, too; nothing that came with a file runs."""
    name, write, _ = FILES[what]
    bad, out, console = tmp_path / name, tmp_path / "out.safetensors", new_console()
    write(good, bad)
    wish = ExtractWish(out, Cut(2))
    commands: list[Callable[[], Any]] = [
        lambda: convert(str(bad), tmp_path / "out", home, console, form="folder"),
        lambda: convert(str(bad), out, home, console, form="file"),
        lambda: merge([str(good)], MergeWish(out, into=str(bad)), home, console),
        lambda: merge([str(file_of("sd15")), str(bad)], MergeWish(out), home, console),
        lambda: extract(str(bad), str(file_of("sd15")), wish, home, console),
        lambda: extract(str(file_of("sd15")), str(bad), wish, home, console),
    ]
    for command in commands:
        with pytest.raises(UserError) as caught:
            command()
        assert "\n" not in str(caught.value)
        assert caught.value.hint
    assert {path.name for path in tmp_path.iterdir()} <= {name}
    assert not Path("/tmp/ran").exists()  # noqa: S108


def test_a_pipe_is_told_and_never_waited_for(home: Models, tmp_path: Path) -> None:
    """To open one would wait for its other end."""
    import os

    pipe, out = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    os.mkfifo(pipe)
    for form in ("comfy", "file"):
        with pytest.raises(UserError) as caught:
            convert(str(pipe), out, home, new_console(), form=form)
        assert str(caught.value) == f"`{pipe}` is a pipe, socket or device"
    with pytest.raises(UserError):
        resize(pipe, out, Cut(2), new_console())
