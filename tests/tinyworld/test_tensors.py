"""Tests of tensor files: the same bytes every time, in float32 or float16."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tinyworld.tensors import write_module, write_tensors


def header_of(path: Path) -> dict[str, dict[str, object]]:
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header: dict[str, dict[str, object]] = json.loads(data[8 : 8 + length])
    return header


def tied() -> nn.Module:
    """Return a module whose two layers share their weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        layers = nn.ModuleDict({"one": nn.Linear(3, 3), "two": nn.Linear(3, 3, bias=False)})
    layers["two"].weight = layers["one"].weight
    layers.register_buffer("count", torch.tensor([7]))
    return layers


def test_tensor_files_are_sorted_and_whole(tmp_path: Path) -> None:
    """A tensor file has its header sorted by width and name, and safetensors reads it back."""
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "b": np.arange(6, dtype=np.float32).reshape(2, 3),
        "h": np.array([0.5, -2], np.float16),
        "a": np.ones((2,), np.float32),
        "n": np.array([7], np.int64),
    }
    write_tensors(tmp_path / "x.safetensors", arrays)

    header = header_of(tmp_path / "x.safetensors")
    assert list(header) == ["__metadata__", "n", "a", "b", "h"]
    assert header["__metadata__"] == {"format": "pt"}
    assert header["b"] == {"dtype": "F32", "shape": [2, 3], "data_offsets": [16, 40]}
    assert header["h"] == {"dtype": "F16", "shape": [2], "data_offsets": [40, 44]}
    read = load_file(tmp_path / "x.safetensors")
    assert {name: value.tolist() for name, value in read.items()} == {
        name: value.tolist() for name, value in arrays.items()
    }


def test_a_module_is_written_once_a_tensor(tmp_path: Path) -> None:
    """A shared tensor is written under its first name, and floats are float32 of bfloat16's."""
    layers = tied()
    write_module(tmp_path / "x.safetensors", layers, prefix="all.")

    read = load_file(tmp_path / "x.safetensors")
    assert sorted(read) == ["all.count", "all.one.bias", "all.one.weight"]
    assert read["all.one.weight"].dtype == torch.float32
    wanted = layers.get_parameter("one.weight").detach()
    assert torch.equal(read["all.one.weight"], wanted.to(torch.bfloat16).float())


def test_half_a_module_is_half_the_size(tmp_path: Path) -> None:
    """With `half` floats are stored as the nearest float16, whole numbers as they are."""
    layers = tied()
    write_module(tmp_path / "x.safetensors", layers, half=True)

    header = header_of(tmp_path / "x.safetensors")
    assert {name: row["dtype"] for name, row in header.items() if name != "__metadata__"} == {
        "count": "I64", "one.bias": "F16", "one.weight": "F16",
    }  # fmt: skip
    read = load_file(tmp_path / "x.safetensors")
    wanted = layers.get_parameter("one.weight").detach().numpy().astype(np.float16)
    assert np.array_equal(read["one.weight"].numpy(), wanted)
    assert read["count"].tolist() == [7]


def test_what_float16_cannot_say_is_not_written(tmp_path: Path) -> None:
    """A number beyond float16 is told, and no file is left."""
    layers = tied()
    with torch.no_grad():
        layers.get_parameter("one.bias")[1] = -70000.0

    with pytest.raises(ValueError, match=r"^float16 cannot say 70000\.0$"):
        write_module(tmp_path / "x.safetensors", layers, half=True)
    assert list(tmp_path.iterdir()) == []
