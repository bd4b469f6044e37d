"""The header of a safetensors file, looked through as strictly as the library that reads it does.

What passes here, every reader opens; what does not, would end in that library's own error.

Source: huggingface/safetensors 0.8, safetensors/src/tensor.rs, `Metadata::validate`.
"""

import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

METADATA = "__metadata__"
# The format's words -> bits of a number.
BITS: Mapping[str, int] = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}


def data_ends(header: bytes) -> int:
    """Return where the last tensor ends, counted from the end of the header.

    Args:
        header: Its bytes, without the eight that say how many they are.

    Raises:
        ValueError: It is no header, or not one that readers open; its message says why, as the end
            of a sentence.
        MemoryError: It asks for far more than it is long.
    """
    try:
        entries = json.loads(header, object_pairs_hook=_each_once)
    except RecursionError:
        raise ValueError(_NONE) from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError(_NONE) from None
    if not isinstance(entries, dict) or header[:1] != b"{":
        raise ValueError(_NONE)
    _check_metadata(entries.pop(METADATA, {}))
    places = [_place(name, entry) for name, entry in entries.items()]
    end = 0
    for start, stop, name in sorted(places):
        if start != end:
            where = "overlaps another one" if start < end else "begins behind a gap"
            raise ValueError(f"its tensor `{_short(name)}` {where}")
        end = stop
    return end


_NONE = "it is not a whole safetensors file"


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs of an object of JSON; ValueError where one name stands there twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"its header has `{_short(twice)}` twice")
    return found


def _check_metadata(said: Any) -> None:
    if not isinstance(said, dict):
        raise ValueError("its metadata are no texts by name")  # noqa: TRY004 (no fault of ours)
    strange = next((name for name, value in said.items() if not isinstance(value, str)), None)
    if strange is not None:
        raise ValueError(f"its metadata `{_short(strange)}` is no text")


def _place(name: str, entry: Any) -> tuple[int, int, str]:
    """Return where a tensor begins and ends, and its name."""
    fields = {"dtype", "shape", "data_offsets"}
    if not isinstance(entry, dict) or not fields <= entry.keys():
        raise ValueError("its header does not say what its tensors are")
    dtype, shape, span = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not (_are_counts(shape) and _are_counts(span) and len(span) == 2):
        raise ValueError(f"its tensor `{_short(name)}` has no shape or no place")
    if not isinstance(dtype, str) or dtype not in BITS:
        raise ValueError(f"its tensor `{_short(name)}` is of numbers that are not known")
    start, stop = span
    if (stop - start) * 8 != prod(shape) * BITS[dtype]:
        raise ValueError(f"its tensor `{_short(name)}` has not the bytes that its shape asks for")
    return start, stop, name


def _are_counts(value: Any) -> bool:
    """Return whether a value is a list of whole numbers from 0 on that the format can hold."""
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 1 << 64 for n in value)


def _short(name: str) -> str:
    """Return a name as a message can hold it."""
    return name if len(name) <= 80 else f"{name[:77]}..."
