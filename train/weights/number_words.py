"""Numbers of a safetensors file as NumPy has them, and back: a piece at a time, without torch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prep.models.safetensors_header import BITS

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]  # what NumPy says of its own kinds is too narrow

# Words of the format whose numbers can be NaN or infinite, and are told of as weights.
FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")
# Others that are numbers as they stand -> NumPy's word.
_WHOLE: Mapping[str, str] = {
    "BOOL": "u1", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2",
    "U32": "<u4", "I32": "<i4", "U64": "<u8", "I64": "<i8",
}  # fmt: skip
# What a person calls the precisions that are written -> the format's word.
PRECISIONS: Mapping[str, str] = {"fp32": "F32", "fp16": "F16", "bf16": "BF16"}
_BF16_ONE = 0x7FFF


def is_number(dtype: str) -> bool:
    """Return whether tensors of a dtype can be read as numbers."""
    return dtype in FLOATS or dtype in _WHOLE


def bytes_of(dtype: str) -> int:
    """Return how many bytes a number takes; of those that can be read."""
    return BITS[dtype] // 8


def decoded(data: "bytes | memoryview", dtype: str) -> "Numbers":
    """Return the numbers of some bytes: float64 of F64 and whole numbers, else float32.

    Raises:
        KeyError: They are of a dtype that is not read: packed ones, say.
    """
    import numpy as np

    found: Numbers
    match dtype:
        case "F64" | "F32":
            found = np.frombuffer(data, "<f8" if dtype == "F64" else "<f4")
        case "F16":
            found = np.frombuffer(data, "<f2").astype(np.float32)
        case "BF16":
            found = (np.frombuffer(data, "<u2").astype("<u4") << 16).view(np.float32)
        case "F8_E5M2":  # the upper half of an F16
            found = (np.frombuffer(data, "u1").astype("<u2") << 8).view("<f2").astype(np.float32)
        case "F8_E4M3":
            found = _all_e4m3()[np.frombuffer(data, "u1")]
        case _:
            found = np.frombuffer(data, _WHOLE[dtype]).astype(np.float64)
    return found


def encoded(numbers: "Numbers", dtype: str) -> bytes:
    """Return numbers as F32, F16 or BF16: rounded to the nearest, of two the even one.

    What is too large becomes infinite.
    """
    import numpy as np

    with np.errstate(over="ignore"):
        if dtype == "F16":
            return bytes(numbers.astype("<f2").tobytes())
        plain = numbers.astype("<f4")
    if dtype == "F32":
        return bytes(plain.tobytes())
    bits = plain.view("<u4")
    rounded = (bits + _BF16_ONE + (bits >> 16 & 1)) >> 16
    nan = np.isnan(plain)
    rounded[nan] = bits[nan] >> 16 | 0x40  # stays NaN, whatever its lower bits were
    return bytes(rounded.astype("<u2").tobytes())


def _all_e4m3() -> "Numbers":
    """Return all 256 numbers of F8_E4M3: no infinities, two NaN. Micikevicius et al. 2022."""
    import numpy as np

    bits = np.arange(256)
    sign, power, rest = np.where(bits & 0x80, -1.0, 1.0), bits >> 3 & 15, (bits & 7) / 8
    small, usual = rest * 2.0**-6, (1 + rest) * 2.0 ** (power - 7.0)
    found = sign * np.where(power == 0, small, usual)
    found[(bits & 0x7F) == 0x7F] = np.nan
    return found.astype(np.float32)
