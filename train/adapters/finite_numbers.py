"""Whether the numbers of a safetensors file are numbers: no NaN, nothing infinite."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prep.models import safetensors_file
from prep.runtime.errors import ModelFileError

# dtype's word in the file -> the bits of its exponent, and numpy's word of a number as wide.
EXPONENTS: Mapping[str, tuple[int, str]] = {
    "F64": (0x7FF << 52, "<u8"),
    "F32": (0x7F800000, "<u4"),
    "F16": (0x7C00, "<u2"),
    "BF16": (0x7F80, "<u2"),
}


def check_finite(path: Path) -> None:
    """Read every number of a file.

    Raises:
        ModelFileError: Some are not finite, or they are of a kind that no weights are made of.
    """
    wrong = not_finite(path)
    if wrong:
        raise ModelFileError(
            f"`{path}` holds numbers that are not finite (NaN or infinite) in {len(wrong)} of its "
            f"tensors, the first is `{wrong[0]}`",
            "take an earlier export of the run, or fetch the file again",
        )


def not_finite(path: Path) -> list[str]:
    """Return the names of a file's tensors that hold NaN or infinite numbers, sorted."""
    import numpy as np

    data = np.memmap(path, dtype=np.uint8, mode="r")
    found: list[str] = []
    for name, at in safetensors_file.header(path).tensors.items():
        if at.dtype not in EXPONENTS or at.start == at.end:
            continue
        ones, kind = EXPONENTS[at.dtype]
        numbers: Any = np.frombuffer(data[at.start : at.end].tobytes(), dtype=kind)
        if bool(((numbers & ones) == ones).any()):
            found.append(name)
    return found
