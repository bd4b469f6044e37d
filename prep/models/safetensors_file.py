"""The safetensors format, read and written without torch and always in the same bytes.

The library orders its header at random; here tensors and metadata are sorted by name. A file is
eight bytes (the header's length, little-endian), the header (JSON), then the tensors' bytes.
"""

import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models.safety import check, check_safetensors
from prep.runtime import files
from prep.runtime.errors import ModelFileError

if TYPE_CHECKING:
    from torch import Tensor

_CHUNK = 1 << 20
# The format's words for numbers that are weights as they stand. Others are packed, or rounded to
# steps that another tensor gives: read as they stand, they are nonsense.
_WEIGHTS = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"}
# torch's names of the numbers that we write -> the format's words; models are made of the first.
_MODELS = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}
_WORDS = _MODELS | {
    "float64": "F64", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "bool": "BOOL",
    "uint8": "U8", "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64",
}  # fmt: skip
# The format's words -> torch's names, and how many bytes a number has.
TYPES = {word: name for name, word in _WORDS.items()}
WIDTHS = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Packed:
    """One tensor as it lies in a file.

    Attributes:
        dtype: The format's word: F32, BF16, F16, I64.
        shape: () for a single number.
        data: Its bytes, row-major, little-endian.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes | memoryview


# A tensor's name, dtype and shape, and its bytes piece by piece.
Pieces = tuple[str, str, tuple[int, ...], Iterator[bytes | memoryview]]


@dataclass(frozen=True)
class TensorSpan:
    """Where a tensor lies in a file: `start` and `end` count from the file's first byte."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        tensors: Name -> place, sorted by name.
        metadata: Name -> text.
    """

    tensors: Mapping[str, TensorSpan]
    metadata: Mapping[str, str]


def packed(tensor: "Tensor") -> Packed:
    """Return one of torch's tensors as it lies in a file; one on the CPU is not copied."""
    import torch

    plain = tensor.detach().cpu().contiguous()
    data = plain.view(-1).view(torch.uint8).numpy().data
    return Packed(word_of(plain), tuple(plain.shape), data)


def word_of(tensor: "Tensor") -> str:
    """Return the format's word for the numbers of one of torch's tensors.

    Raises:
        KeyError: There is none that is used here.
    """
    return _WORDS[str(tensor.dtype).removeprefix("torch.")]


def dump(
    tensors: Mapping[str, Packed], metadata: Mapping[str, str] | None = None, align: int = 8
) -> bytes:
    """Return a safetensors file; equal content gives equal bytes, whatever the order given.

    Args:
        align: The first tensor begins at a multiple of so many bytes.
    """
    return b"".join(pieces(tensors, metadata, align))


def pieces(
    tensors: Mapping[str, Packed], metadata: Mapping[str, str] | None = None, align: int = 8
) -> Iterator[bytes | memoryview]:
    """Yield a safetensors file in pieces, each tensor as it was given; see `dump`.

    The header is sorted by name. Single numbers lie behind all else: readers map the file, and
    matrices at odd addresses are multiplied with other last bits.

    Args:
        align: The first tensor begins at a multiple of so many bytes.
    """
    places = {n: (one.dtype, one.shape, len(one.data)) for n, one in tensors.items()}
    return streamed(places, lambda name: (tensors[name].data,), metadata, align)


def streamed(
    places: Mapping[str, tuple[str, tuple[int, ...], int]],
    data: Callable[[str], Iterable[bytes | memoryview]],
    metadata: Mapping[str, str] | None = None,
    align: int = 8,
) -> Iterator[bytes | memoryview]:
    """Yield the same file where no tensor is at hand before its turn comes.

    Args:
        places: Name -> dtype, shape, and how many bytes it has.
        data: Called with each name once, in the order of the file, for that tensor's bytes.

    Raises:
        ValueError: A tensor has another number of bytes than was told.
    """
    order = sorted(places, key=lambda name: (not places[name][1], name))
    head: dict[str, Any] = {}
    if metadata:
        head["__metadata__"] = dict(sorted(metadata.items()))
    spans, end = {}, 0
    for name in order:
        start, end = end, end + places[name][2]
        spans[name] = [start, end]
    for name, (dtype, shape, _) in sorted(places.items()):
        head[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": spans[name]}
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(8 + len(text)) % align)
    yield struct.pack("<Q", len(text)) + text
    for name in order:
        count = 0
        for piece in data(name):
            count += len(piece)
            yield piece
        if count != places[name][2]:
            raise ValueError(f"`{name}` has {count} bytes, and {places[name][2]} were told")


def header(path: Path) -> Header:
    """Return the header of a file; no tensor is read.

    Raises:
        ModelFileError: The file is not a whole safetensors file, or is a pickle under that name.
    """
    check(path)
    if path.suffix.lower() != ".safetensors":
        check_safetensors(path)  # `check` looked at it by its name
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        entries = json.loads(file.read(length))
    try:
        metadata = dict(entries.pop("__metadata__", {}))
        places = {name: _span(entry, 8 + length) for name, entry in sorted(entries.items())}
    except (ValueError, TypeError, LookupError) as error:
        raise ModelFileError(
            f"`{path}` is damaged: its header does not say what its tensors are",
            "fetch the file again",
        ) from error
    return Header(places, metadata)


def _span(entry: Mapping[str, Any], begin: int) -> TensorSpan:
    """Return where a tensor lies, by its entry in a header; `begin`: of all tensors, bytes."""
    start, end = entry["data_offsets"]
    return TensorSpan(entry["dtype"], tuple(entry["shape"]), begin + start, begin + end)


def check_weights(path: Path, tensors: Mapping[str, TensorSpan]) -> None:
    """Raise ModelFileError where weights of a model are of a kind that is not supported.

    Args:
        path: The file, for the message.
        tensors: The weights by name; counts of positions and the like are none.
    """
    strange = [name for name, place in sorted(tensors.items()) if place.dtype not in _WEIGHTS]
    if strange:
        raise ModelFileError(
            f"`{path}` holds weights of a kind that is not supported, "
            f"`{tensors[strange[0]].dtype}`: {len(strange)} tensors, the first is `{strange[0]}`",
            "get the version with 16 or 32 bits a number",
        )


def data_digest(path: Path) -> str:
    """Return the SHA-256 of all bytes behind a file's header: what WebUIs know a LoRA by."""
    import hashlib

    with path.open("rb") as file:
        file.seek(8 + struct.unpack("<Q", file.read(8))[0])
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(tensors: Mapping[str, tuple[TensorSpan, Path]]) -> str:
    """Return the SHA-256 over sorted tensors: name, dtype, shape and bytes of each.

    Metadata, order and how the tensors are spread over files do not enter it.
    """
    return digest_of(
        (name, place.dtype, place.shape, _pieces(path, place))
        for name, (place, path) in sorted(tensors.items())
    )


def digest_of(tensors: Iterator[Pieces]) -> str:
    """Return the same digest over tensors that come sorted."""
    import hashlib

    state = hashlib.sha256()
    for name, dtype, shape, pieces in tensors:
        title = files.canonical([name, dtype, list(shape)]).encode()
        state.update(struct.pack("<Q", len(title)) + title)
        for piece in pieces:
            state.update(piece)
    return state.hexdigest()


def of_torch(
    tensors: "Mapping[str, Tensor]",
) -> Iterator[Pieces]:
    """Return torch's tensors, sorted, in the form that `digest_of` takes.

    Raises:
        KeyError: A tensor has a dtype that models are not made of.
    """
    kinds = {
        name: _MODELS[str(tensor.dtype).removeprefix("torch.")]
        for name, tensor in sorted(tensors.items())
    }
    return (
        (name, kind, tuple(tensors[name].shape), iter([packed(tensors[name]).data]))
        for name, kind in kinds.items()
    )


def _pieces(path: Path, place: TensorSpan) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(place.start)
        left = place.end - place.start
        while left and (piece := file.read(min(_CHUNK, left))):
            left -= len(piece)
            yield piece
