"""Write a .safetensors file with the same bytes every time: the library's own order is random."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

_DTYPES = {"float32": "F32", "float16": "F16", "int64": "I64"}


def write_tensors(path: Path, tensors: Mapping[str, "np.ndarray[Any, Any]"]) -> None:
    """Write named arrays, wider types first, then by name, with the hub's usual metadata."""
    order = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in order:
        array = tensors[name]
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": _DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(tensors[name].tobytes())


def write_module(path: Path, module: "nn.Module", prefix: str = "", half: bool = False) -> None:
    """Write a module's parameters and saved buffers; one that is shared is written once.

    The name kept of a shared tensor is the first in the module's own order. Floats stay float32
    but are rounded to what bfloat16 can say: compressed, in git or a wheel, they take half.

    Args:
        path: The file.
        module: On the CPU.
        prefix: Is put before each name.
        half: Whether floats are float16 instead: half the size on disk, and eight times as exact.

    Raises:
        ValueError: `half`, and a number is beyond what float16 can say.
    """
    seen: dict[int, str] = {}
    state = module.state_dict(keep_vars=True)
    for name, tensor in state.items():
        seen.setdefault(id(tensor), name)
    kept = {prefix + name: state[name].detach() for name in seen.values()}
    rounded = _as_half if half else _as_bfloat16
    write_tensors(path, {name: rounded(value).numpy() for name, value in kept.items()})


def _as_bfloat16(value: "Tensor") -> "Tensor":
    return value.bfloat16().float() if value.is_floating_point() else value


def _as_half(value: "Tensor") -> "Tensor":
    if not value.is_floating_point():
        return value
    small = value.half()
    if not bool(small.isfinite().all()):
        msg = f"float16 cannot say {value.abs().max().item()}"
        raise ValueError(msg)
    return small
