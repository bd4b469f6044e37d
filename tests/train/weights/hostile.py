"""Files that no command may trip over: torn, hostile, foreign, filled with NaN, or no file at all.

A command is tried on all of them by one row in `test_hostile.py`.
"""

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Maker = Callable[[Path], Path]
# Fields that are read, with what nobody expects in them.
_NONSENSE = {
    "prep_certificate": '{"samples": {"a.png": 3}, "config": []}',
    "prep_averaged": '[{"step": "x"}]',
    "ss_steps": "-1e9",
    "ss_network_dim": "\x1b[2J",
    "ss_network_alpha": "[" * 2000,
    "ss_dataset_dirs": '{"10_a": 7, "b": {"img_count": "x"}}',
    "ss_datasets": '[{"subsets": [1, {}]}, 2]',
    "ss_tag_frequency": '{"a": [1], "b": {"c": "d"}}',
    "ss_clip_skip": "99",
    "modelspec.resolution": "x",
    "sshs_model_hash": "",
    "ss_base_model_version": "sd_v9",
}
_WORD = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
# A file that is opened, and that holds nothing that could be used as it stands.
OPENED = (
    "foreign",
    "nonsense in its metadata",
    "NaN",
    "Inf",
    "whole numbers for weights",
    "terminal escapes in names",
)


class Code:
    """What a pickle makes of it when it is opened: a file `ran` where the test stands."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """Return a call of `os.system`."""
        return os.system, ("touch ran",)


def safetensors(
    tensors: Mapping[str, tuple[str, list[int], bytes]], metadata: object = None
) -> bytes:
    """Return the bytes of a file with any header: dtype, shape and data of each tensor."""
    head: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    end = 0
    for name, (dtype, shape, data) in tensors.items():
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + len(data)]}
        end += len(data)
    return framed(json.dumps(head).encode(), b"".join(data for _, _, data in tensors.values()))


def framed(header: bytes, data: bytes = b"") -> bytes:
    """Return a header with its length before it and data behind it."""
    return struct.pack("<Q", len(header)) + header + data


def pair(
    fill: float | None = None,
    kind: str = "<f4",
    dtype: str = "F32",
    said: Mapping[str, str] | None = None,
) -> bytes:
    """Return a LoRA of one module that fits the tiny base model, or one filled with a number."""
    numbers = np.linspace(-1, 1, 64) if fill is None else np.full(64, fill)
    data = numbers.astype(kind).tobytes()
    return safetensors(
        {
            f"{_WORD}.lora_down.weight": (dtype, [2, 32], data),
            f"{_WORD}.lora_up.weight": (dtype, [32, 2], data),
        },
        said or {"ss_session_id": "r", "ss_steps": "1", "ss_output_name": "toy"},
    )


def _two(first: str, second: str) -> bytes:
    return framed(f"{{{first},{second}}}".encode(), b"\0" * 8)


def _entry(name: str, span: str, shape: str = "[1]") -> str:
    return f'"{name}":{{"dtype":"F32","shape":{shape},"data_offsets":{span}}}'


def _bytes() -> Mapping[str, bytes]:
    """Return those files that are some bytes named `.safetensors`."""
    whole = pair()
    head = 8 + struct.unpack("<Q", whole[:8])[0]
    return {
        "0 bytes": b"",
        "torn in the length": whole[:5],
        "torn in the header": whole[:60],
        "torn behind the header": whole[:head],
        "torn in the numbers": whole[:-7],
        "a byte too many": whole + b"\0",
        "a header of an exabyte": struct.pack("<Q", 1 << 60) + b"{}",
        "a header that is no JSON": framed(b"{'a': 1}" + b" " * 16),
        "tensors that overlap": _two(_entry("a", "[0,4]"), _entry("b", "[2,6]")),
        "tensors out of range": _two(_entry("a", "[0,4]"), _entry("b", "[4,99999]", "[24]")),
        "one name twice": _two(_entry("a", "[0,4]"), _entry("a", "[4,8]")),
        "a huge shape": _two(_entry("a", "[0,4]"), _entry("b", "[4,8]", "[4611686018427387904]")),
        "a negative shape": _two(_entry("a", "[0,4]"), _entry("b", "[4,8]", "[-1,-1]")),
        "numbers of no known kind": safetensors({"a": ("F7", [1], b"\0" * 4)}),
        "metadata that are no text": safetensors({"a": ("F32", [1], b"\0" * 4)}, {"a": 1}),
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
        "a text": b"a photo of a mascot, 1girl, solo\n" * 40,
        "a pickle": pickle.dumps({"a": Code()}, 2),
        "nonsense in its metadata": pair(said=_NONSENSE),
        "foreign": safetensors({"weather.tomorrow": ("F32", [1], b"\0" * 4)}),
        "NaN": pair(float("nan")),
        "Inf": pair(float("inf")),
        "whole numbers for weights": pair(1, "<i4", "I32"),
        "terminal escapes in names": safetensors(
            {"\x1b[2J\u202elora.\n.weight": ("F32", [1], b"\0" * 4)}, {"\x1b]0;x\x07": "\x1b[31m"}
        ),
    }


def _file(name: str, data: bytes) -> Maker:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data)
        return path

    return make


def _code_in_a_zip(folder: Path) -> Path:
    path = folder / "bad.ckpt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({"state_dict": Code()}, 2))
        file.writestr("archive/version", "3\n")
    return path


def _folder(folder: Path) -> Path:
    path = folder / "bad.safetensors"
    path.mkdir()
    return path


def _link(folder: Path) -> Path:
    path = folder / "bad.safetensors"
    path.symlink_to(folder / "gone.safetensors")
    return path


def _pipe(folder: Path) -> Path:
    path = folder / "bad.safetensors"
    os.mkfifo(path)
    return path


def _closed(folder: Path) -> Path:
    path = _file("bad.safetensors", pair())(folder)
    path.chmod(0)
    return path


def hostile() -> Iterator[tuple[str, Maker]]:
    """Yield what each file is, and what makes it in a folder and returns its path."""
    for name, data in _bytes().items():
        yield name, _file("bad.safetensors", data)
    yield "code in a zip", _code_in_a_zip
    yield "code in a plain pickle", _file("bad.pt", pickle.dumps({"a": Code()}, 2))
    yield "an empty pickle", _file("bad.bin", b"")
    yield "a folder", _folder
    yield "a link to nothing", _link
    yield "nothing", lambda folder: folder / "bad.safetensors"
    if os.name != "nt":
        yield "a pipe", _pipe
        if os.geteuid():
            yield "no permission", _closed
