"""Files of weights: what may be opened at all. Reads headers, never a weight."""

import struct
from pathlib import Path

from prep.models.safetensors_header import data_ends
from prep.runtime.errors import ModelFileError
from prep.runtime.memory_limit import memory_limit

# What no loader of ours may be given: a pickle can run code.
_CODE = (".ckpt", ".pt", ".pth", ".pkl", ".pickle", ".py")
# How a pickle, or the zip that torch puts one in, begins.
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK")


# Names, settings, labels, words: nothing that is text is larger, and all of it is read at once.
_TEXTS = (".json", ".csv", ".txt", ".yaml", ".yml")
_MOST_TEXT = 64 << 20
_MOST_HEADER = 100 << 20  # as the safetensors library has it
_MOST_MEMORY = 768 << 20
_TORN = "it is not a whole safetensors file"


def check_regular(path: Path) -> None:
    """Raise ModelFileError where something is there that is no file: a pipe is waited for."""
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe, socket or device"
        raise ModelFileError(f"`{path}` is {what}", "name a file")


def check(path: Path, ckpt: bool = False) -> None:
    """Refuse a model file that is torn, could run code or is too large; no weights are read.

    Args:
        ckpt: Let a `.ckpt` pass: whoever asks opens it as plain weights, and runs nothing in it.

    Raises:
        ModelFileError: No file, a pickle under any name, a `.safetensors` that is not whole or
            whose header takes too much memory, or a text of an absurd size.
    """
    check_regular(path)
    if ckpt and path.suffix.lower() == ".ckpt":
        return
    if path.suffix.lower() in _CODE:
        raise ModelFileError(
            f"`{path}` can hold code and is not opened",
            "use the `.safetensors` version of the model",
        )
    size = path.stat().st_size
    if path.suffix.lower() in _TEXTS and size > _MOST_TEXT:
        raise ModelFileError(
            f"`{path}` has {size >> 20} MB, and at most {_MOST_TEXT >> 20} MB of text are read",
            "use the file that was published with the model",
        )
    if path.suffix.lower() == ".safetensors":
        check_safetensors(path)


def check_safetensors(path: Path) -> None:
    """Refuse a file, whatever its name ends in, that is no whole safetensors file; see `check`."""
    check_regular(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
        try:
            why = (
                _damage(file.read(length), size) if length <= min(size - 8, _MOST_HEADER) else _TORN
            )
        except MemoryError:
            raise ModelFileError(
                f"the header of `{path}` takes more than {_MOST_MEMORY >> 20} MB of memory",
                "fetch the file again, from a place that you trust",
            ) from None
    if not why:
        return
    # Asked only of what is no safetensors: a header of 640 bytes begins like a pickle.
    if head[:2] in _PICKLES:
        raise ModelFileError(
            f"`{path}` is a pickle named .safetensors and is not opened",
            "get the model from a place that publishes real safetensors",
        )
    if path.suffix.lower() != ".safetensors":
        raise ModelFileError(f"`{path}` is not a safetensors file", "name a `.safetensors` file")
    raise ModelFileError(f"`{path}` is damaged: {why}", "fetch the file again")


def _damage(header: bytes, size: int) -> str:
    """Return what is wrong with a file's header, as the end of a sentence; empty for nothing.

    Args:
        size: Of the whole file, bytes.

    Raises:
        MemoryError: It asks for far more than it is long.
    """
    try:
        with memory_limit(_MOST_MEMORY):
            ends = data_ends(header)
    except ValueError as error:
        return str(error)
    return "" if 8 + len(header) + ends == size else _TORN
