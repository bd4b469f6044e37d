"""A tagger's raw scores as bytes. Text and numbers only."""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from tagger_models.labels.label import Label

# Least probability that is kept; ratings are kept always. A lower threshold cannot be asked for.
FLOOR = 0.01


def packed(scores: Sequence[tuple[int, float]]) -> bytes:
    """Return scores as bytes: all label ids (uint32), then the float16 scores, little endian."""
    ids, values = [index for index, _ in scores], [value for _, value in scores]
    return struct.pack(f"<{len(ids)}I{len(values)}e", *ids, *values)


def kept(labels: "Sequence[Label]", scores: "np.ndarray") -> list[bytes]:
    """Return each picture's scores as `packed` has them: those from the floor on, and all ratings.

    Args:
        labels: The vocabulary.
        scores: Probabilities in [0, 1], float32, shape (pictures, labels).
    """
    import numpy as np

    always = np.array([label.category == "rating" for label in labels], bool)
    which = [np.flatnonzero((row >= FLOOR) | always) for row in scores]
    return [
        ids.astype("<u4").tobytes() + row[ids].astype("<f2").tobytes()
        for row, ids in zip(scores, which, strict=True)
    ]


def unpacked(data: bytes) -> list[tuple[int, float]]:
    """Return the (label id, probability) pairs that `packed` made bytes of."""
    count = len(data) // 6
    numbers = struct.unpack(f"<{count}I{count}e", data)
    return list(zip(numbers[:count], numbers[count:], strict=True))


def columns(data: bytes) -> "tuple[np.ndarray, np.ndarray]":
    """Return the same as arrays: label ids, uint32, and probabilities, float16; shapes (K,)."""
    import numpy as np

    count = len(data) // 6
    return np.frombuffer(data, "<u4", count), np.frombuffer(data, "<f2", count, 4 * count)
