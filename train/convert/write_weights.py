"""Files of weights, written tensor by tensor: at most one of them is in memory, and the next.

A file is read back before it gets its name, and is whole or absent at any moment.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models import safetensors_file
from prep.models.safetensors_file import TYPES, WIDTHS
from prep.models.stored_tensors import StoredTensor
from prep.runtime import files
from prep.runtime.errors import ModelFileError
from train.export.lora_file import ProofError
from train.weights import web_hashes

if TYPE_CHECKING:
    from torch import Tensor

Tensors = Mapping[str, StoredTensor]
FLOATS = ("F64", "F32", "F16", "BF16")
# `--save-precision` -> the format's word.
PRECISIONS: Mapping[str, str] = {"fp32": "F32", "fp16": "F16", "bf16": "BF16"}
_ALIGN = 64
_PIECE = 1 << 20  # numbers that are looked at at once


def checked(
    tensors: Tensors, source: Path, precision: str | None = None
) -> dict[str, StoredTensor]:
    """Return tensors that raise where they are read and hold what is no number.

    Args:
        source: Where they come from, for the message.
        precision: fp32, fp16 or bf16, for those with a point; None to leave them as they are.
    """
    return {name: _checked(name, one, source, precision) for name, one in tensors.items()}


def _checked(name: str, one: StoredTensor, source: Path, precision: str | None) -> StoredTensor:
    is_float = one.dtype in FLOATS or one.dtype.startswith("F8")
    kind = PRECISIONS[precision] if precision and is_float else one.dtype

    def read() -> "Tensor":
        import torch

        tensor = one.read()
        if not is_float:
            return tensor
        plain = tensor.float() if one.dtype.startswith("F8") else tensor
        if not _is_finite(plain):
            raise ModelFileError(
                f"`{source}` holds numbers that are not finite (NaN or infinite), the first in "
                f"`{name}`",
                "fetch it again, or take an earlier export",
            )
        found = plain.to(getattr(torch, TYPES[kind]))
        if plain.dtype != found.dtype and not _is_finite(found):
            raise ProofError(
                f"`{name}` holds numbers too large for {TYPES[kind]}, up to "
                f"{plain.abs().max().item():.3g}; nothing is written",
                "give `--save-precision bf16` or `fp32`",
            )
        return found

    return StoredTensor(kind, one.shape, read)


def _is_finite(tensor: "Tensor") -> bool:
    """Return whether no number is NaN or infinite; a piece at a time, for torch makes copies."""
    flat = tensor.reshape(-1)
    pieces = (flat[start : start + _PIECE] for start in range(0, len(flat), _PIECE))
    return all(bool(one.isfinite().all()) for one in pieces)


def outline_of(tensors: Tensors) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return dtype and shape of each tensor."""
    return {name: (one.dtype, one.shape) for name, one in tensors.items()}


def _bytes_of(one: StoredTensor) -> bytes | memoryview:
    import torch

    with torch.no_grad():
        kind = getattr(torch, TYPES[one.dtype])
        return safetensors_file.packed(one.read().to(kind)).data


def write_scratch(scratch: Path, tensors: Tensors, metadata: Mapping[str, str]) -> None:
    """Write a file that nobody reads yet, and read it back.

    Raises:
        ProofError: It holds other bytes than were written.
        MachineError: The disk is full.
    """
    pieces = _pieces(outline_of(tensors), lambda name: _bytes_of(tensors[name]), metadata)
    if files.write_pieces(scratch, pieces) != files.digest(scratch):
        raise _proof()


def write_file(path: Path, tensors: Tensors, metadata: Mapping[str, str]) -> None:
    """Publish a safetensors file; see `write_scratch`."""
    with files.replacing(path) as scratch:
        write_scratch(scratch, tensors, metadata)


def write_lora(path: Path, tensors: Tensors, metadata: Mapping[str, str]) -> None:
    """Publish a LoRA, with the hashes that WebUIs know it by.

    Raises:
        ProofError, MachineError: As `write_scratch`.
    """
    outline = outline_of(tensors)

    def pieces(said: Mapping[str, str]) -> Iterator[bytes | memoryview]:
        return _pieces(outline, lambda name: _bytes_of(tensors[name]), said)

    with files.replacing(path) as scratch:
        if not web_hashes.write(scratch, pieces, metadata):
            raise _proof()


def _pieces(
    outline: Mapping[str, tuple[str, tuple[int, ...]]],
    data: Callable[[str], bytes | memoryview],
    metadata: Mapping[str, str],
) -> Iterator[bytes | memoryview]:
    """Yield a file; the bytes of each tensor are asked for once, in its turn."""
    places = {
        n: (dtype, shape, prod(shape) * WIDTHS[dtype]) for n, (dtype, shape) in outline.items()
    }
    return safetensors_file.streamed(places, lambda name: (data(name),), metadata, _ALIGN)


def _proof() -> ProofError:
    return ProofError("what was written reads back as other numbers", "check the disk, run again")


class Spill:
    """Tensors that were computed and wait on the disk until all are known.

    The file has no name: it is gone with the process, however that ends.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.tensors: dict[str, StoredTensor] = {}

    def add(self, name: str, tensor: "Tensor") -> None:
        """Write one down."""
        packed = safetensors_file.packed(tensor)
        start = self._file.seek(0, 2)
        self._file.write(packed.data)
        self.tensors[name] = self._kept(packed.dtype, packed.shape, start)

    def _kept(self, dtype: str, shape: tuple[int, ...], start: int) -> StoredTensor:
        size = prod(shape) * WIDTHS[dtype]

        def read() -> "Tensor":
            import torch

            self._file.seek(start)
            data = torch.frombuffer(bytearray(self._file.read(size)), dtype=torch.uint8)
            return data.view(getattr(torch, TYPES[dtype])).reshape(shape)

        return StoredTensor(dtype, shape, read)


@contextmanager
def spilling(out: Path) -> Iterator[Spill]:
    """Yield a place for tensors on the disk that `out` will be on.

    Raises:
        MachineError: The disk is full.
    """
    with files.disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent) as file:
            yield Spill(file)
