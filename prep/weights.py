"""Files of weights: what may be opened at all. Reads headers, never a weight."""

import json
import struct
from pathlib import Path

from prep.errors import ModelFileError

# What no loader of ours may be given: a pickle can run code.
_CODE = (".ckpt", ".pt", ".pth", ".pkl", ".pickle", ".py")
# How a pickle, or the zip that torch puts one in, begins.
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK")


def check(path: Path, ckpt: bool = False) -> None:
    """Refuse a model file that is torn or could run code; no weights are read.

    Args:
        ckpt: Let a `.ckpt` pass: whoever asks opens it as plain weights, and runs nothing in it.

    Raises:
        ModelFileError: A pickle under any name, or a `.safetensors` that is not whole.
    """
    if ckpt and path.suffix.lower() == ".ckpt":
        return
    if path.suffix.lower() in _CODE:
        raise ModelFileError(
            f"`{path}` can hold code and is not opened",
            "use the `.safetensors` version of the model",
        )
    if path.suffix.lower() != ".safetensors":
        return
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
        ends = _data_ends(file.read(length)) if length <= min(size - 8, 100 << 20) else None
    if ends is None or 8 + length + ends != size:
        # Asked only of what is no safetensors: a header of 640 bytes begins like a pickle.
        if head[:2] in _PICKLES:
            raise ModelFileError(
                f"`{path}` is a pickle named .safetensors and is not opened",
                "get the model from a place that publishes real safetensors",
            )
        raise ModelFileError(
            f"`{path}` is damaged: it is not a whole safetensors file", "fetch the file again"
        )


def _data_ends(header: bytes) -> int | None:
    """Return where the last tensor of a safetensors header ends, or None for no header."""
    try:
        entries = json.loads(header)
        ends = max(
            (entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"),
            default=0,
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    return ends if isinstance(ends, int) else None
