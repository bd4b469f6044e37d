"""Which other files an ONNX model reads, found without running it, and which of them it may.

An ONNX file can name files beside it that hold its weights. A hostile one names `/etc/passwd`;
a careless one names a file that nobody hashed. This reads only the skeleton of the protobuf
message (no weights are touched), since `onnx` itself is not needed to run a model.
"""

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from prep.runtime.errors import ModelFileError

# Message -> {field number: message it holds}, as far as the ways to a tensor go.
# Source: onnx/onnx.proto3 of onnx 1.23.
_FIELDS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        22: "sparse",
        23: "sparse",
    },
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_FIXED = {1: 8, 5: 4}  # wire type -> width in bytes


def external_files(path: Path) -> list[str]:
    """Return the file names that the tensors of an ONNX model point to, sorted.

    Raises:
        ModelFileError: The file is not a whole ONNX model.
    """
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            return sorted(set(_locations(data)))
    except (ValueError, IndexError):
        raise damaged(path) from None


def damaged(path: Path) -> ModelFileError:
    """Return the error for a file that is not a whole ONNX model."""
    return ModelFileError(
        f"`{path}` is damaged: it is not a whole ONNX model", "fetch the file again"
    )


def check_external(model: Path, known: Sequence[Path]) -> None:
    """Refuse a model whose external data is missing, out of its folder, or not in the digest.

    A link is followed only where the model itself is one and both end in one folder: so the hub's
    cache is laid out.

    Args:
        model: The ONNX file.
        known: The files whose digests identify the model.

    Raises:
        ModelFileError: A file it names may not be read.
    """
    for name in external_files(model):
        path = model.parent / name
        posix = PurePosixPath(name)
        plain = name.isprintable() and "\\" not in name and ":" not in name
        if not plain or posix.is_absolute() or ".." in posix.parts or not _stays(path, model):
            raise ModelFileError(
                f"`{model}` wants to read `{name}`, which is outside its folder",
                "do not use this model: get it from a place you trust",
            )
        if not path.is_file():
            raise ModelFileError(
                f"`{model}` is not complete: `{name}` is missing",
                f"put `{name}` beside it, from where the model came from",
            )
        if path not in known:
            raise ModelFileError(
                f"`{model}` keeps weights in `{name}`, a name that is not checked",
                f"save the model again as one file, or with its weights in `{model.name}_data`",
            )


def _stays(path: Path, model: Path) -> bool:
    real = path.resolve()
    return real.is_relative_to(model.parent.resolve()) or real.parent == model.resolve().parent


def _locations(data: mmap.mmap) -> Iterator[str]:
    """Yield every `location` among the tensors' external data."""
    waiting = [("model", 0, len(data))]
    seen_graph = False
    while waiting:
        kind, start, end = waiting.pop()
        if kind == "entry":
            pair = {field: data[a:b] for field, a, b in _fields(data, start, end)}
            if pair.get(1) == b"location":
                yield pair.get(2, b"").decode()
            continue
        for field, a, b in _fields(data, start, end):
            held = _FIELDS[kind].get(field)
            seen_graph = seen_graph or held == "graph"
            if held:
                waiting.append((held, a, b))
    if not seen_graph:
        raise ValueError


def _fields(data: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (number, start, end) of each field with a length; skip numbers."""
    while at < end:
        key, at = _number(data, at)
        wire = key & 7
        if wire == 2:
            length, at = _number(data, at)
            yield key >> 3, at, at + length
            at += length
        elif wire == 0:
            _, at = _number(data, at)
        else:
            at += _FIXED.get(wire, end + 1)
    if at != end:
        raise ValueError


def _number(data: mmap.mmap, at: int) -> tuple[int, int]:
    """Return the variable-length number at `at`, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError
