"""Tensors as they lie in files of weights, read one at a time and only when they are asked for.

A `.safetensors` file, or a `.ckpt` of plain tensors: of neither is more in memory than the tensor
that was asked for, and nothing that came with a file can run.
"""

import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models import pickle_file, safetensors_file
from prep.models.pickle_file import PickledTensor
from prep.models.safetensors_file import TYPES, WIDTHS, TensorSpan
from prep.runtime.errors import ModelFileError

if TYPE_CHECKING:
    from torch import Tensor

# torch's names of storages -> the format's words.
_STORAGES = {
    "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16", "DoubleStorage": "F64",
    "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8",
    "ByteStorage": "U8", "BoolStorage": "BOOL",
}  # fmt: skip


@dataclass(frozen=True)
class StoredTensor:
    """One tensor that is not in memory.

    Attributes:
        dtype: A word of the safetensors format, as `F16`.
        read: Returns it, on the CPU; each call reads or computes it anew.
    """

    dtype: str
    shape: tuple[int, ...]
    read: "Callable[[], Tensor]"


def stored_in(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of a file by name; no weight is read yet.

    Raises:
        ModelFileError: It is missing, damaged, a pickle of more than tensors, or of another kind.
    """
    if not path.is_file():
        raise ModelFileError(f"there is no file `{path}`", "name a file of weights")
    if path.suffix.lower() == ".ckpt":
        return _of_pickle(path)
    if path.suffix.lower() != ".safetensors":
        raise ModelFileError(
            f"`{path}` is no file of weights: its name ends in none of .safetensors and .ckpt",
            "name a `.safetensors` or a `.ckpt` file",
        )
    places = safetensors_file.header(path).tensors
    return of_spans({name: (at, path) for name, at in places.items()})


def of_spans(spans: Mapping[str, tuple[TensorSpan, Path]]) -> dict[str, StoredTensor]:
    """Return the tensors that lie at places of safetensors files, by name.

    Raises:
        ModelFileError: One has no known dtype.
    """
    return {name: _of_span(name, at, path) for name, (at, path) in spans.items()}


def _of_span(name: str, at: TensorSpan, path: Path) -> StoredTensor:
    if at.dtype not in WIDTHS:
        raise ModelFileError(
            f"`{path}` holds numbers of a kind that is not supported, `{at.dtype}`: the first "
            f"tensor is `{name}`",
            "get the version with 16 or 32 bits a number",
        )

    def read() -> "Tensor":
        with path.open("rb") as file:
            file.seek(at.start)
            return _tensor(file, at.dtype, at.shape, path)

    return StoredTensor(at.dtype, at.shape, read)


def _tensor(file: Any, dtype: str, shape: tuple[int, ...], path: Path) -> "Tensor":
    """Return the tensor that begins where an open file is read next."""
    import torch

    data = torch.empty(prod(shape) * WIDTHS[dtype], dtype=torch.uint8)
    view, done = data.numpy().data, 0
    while done < len(view):
        count = file.readinto(view[done:])
        if not count:
            raise ModelFileError(f"`{path}` ends in the middle of a tensor", "fetch it again")
        done += count
    return data.view(getattr(torch, TYPES[dtype])).reshape(shape)


def _of_pickle(path: Path) -> dict[str, StoredTensor]:
    found = pickle_file.outline(path)
    found = found.get("state_dict", found) if isinstance(found, dict) else {}
    named = found.items() if isinstance(found, dict) else ()
    with zipfile.ZipFile(path) as file:
        sizes = {one.filename: one.file_size for one in file.infolist()}
    (top,) = (name.removesuffix("data.pkl") for name in sizes if name.endswith("/data.pkl"))
    return {
        str(name): _of_pickled(one, f"{top}data/{one.storage}", path, sizes)
        for name, one in named
        if isinstance(one, PickledTensor)
    }


def _of_pickled(
    one: PickledTensor, entry: str, path: Path, sizes: Mapping[str, int]
) -> StoredTensor:
    """Return a tensor of a pickle; it never has more numbers than its storage holds."""
    dtype = _STORAGES.get(one.kind)
    counts = (*one.shape, *one.stride, one.offset)
    if dtype is None or not all(isinstance(n, int) and n >= 0 for n in counts):
        raise pickle_file.not_plain(path)
    width, count = WIDTHS[dtype], prod(one.shape)
    last = sum((n - 1) * step for n, step in zip(one.shape, one.stride, strict=True))
    there = sizes.get(entry, 0) // width
    if count and (one.offset + last >= there or count > there):
        raise pickle_file.not_plain(path)

    def read() -> "Tensor":
        if not count:
            import torch

            return torch.empty(one.shape, dtype=getattr(torch, TYPES[dtype]))
        try:
            with zipfile.ZipFile(path) as archive, archive.open(entry) as file:
                file.seek(one.offset * width)
                flat = _tensor(file, dtype, (last + 1,), path)
        except (zipfile.BadZipFile, zlib.error) as error:
            raise pickle_file.not_plain(path) from error
        return flat.as_strided(one.shape, one.stride).contiguous()

    return StoredTensor(dtype, one.shape, read)
