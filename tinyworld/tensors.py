"""Write a .safetensors file with the same bytes every time: the library's own order is random."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

_DTYPES = {"float32": "F32", "int64": "I64"}


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


def write_module(path: Path, module: "nn.Module", prefix: str = "") -> None:
    """Write a module's parameters and saved buffers; one that is shared is written once.

    The name kept of a shared tensor is the first in the module's own order. Floats stay float32
    but are rounded to what bfloat16 can say: compressed, in git or a wheel, they take half.
    """
    seen: dict[int, str] = {}
    state = module.state_dict(keep_vars=True)
    for name, tensor in state.items():
        seen.setdefault(id(tensor), name)
    kept = {prefix + name: state[name].detach() for name in seen.values()}
    write_tensors(
        path,
        {
            name: (value.bfloat16().float() if value.is_floating_point() else value).numpy()
            for name, value in kept.items()
        },
    )
