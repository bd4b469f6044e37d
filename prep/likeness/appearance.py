"""What is kept of each picture to be compared with others: a small copy, and vectors of its parts.

A vector is the grey of a part of the picture, as a grid of 8x8 cells without its mean, 127 long
in whole numbers: what two of them have in common is a product, exact on every machine. A part that
is flat has a vector of zeros, which has nothing in common with any.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

from prep.likeness.area import Area

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

SIDE = 256  # px, the longer side of the copy
CELLS = 8
LENGTH = 127
# Along each axis, which parts a crop of up to about a quarter may have left: (begin, end).
SPANS = ((0.0, 1.0), *((at, at + long) for long, places in (
    (0.92, (0.04,)), (0.84, (0.04, 0.12)), (0.76, (0.04, 0.12, 0.20)),
) for at in places))  # fmt: skip
WHOLE, INSIDE = 0, len(SPANS) ** 2  # places of the whole picture's vector, and of it untrimmed
NUM_PARTS = INSIDE + 1
_FINE = 64  # px, sides of what the vectors are made of
_UNITS = 1000
_FLAT = 2  # levels; a part whose cells differ less from their mean is flat
_BORDER = 18  # levels of 255 by which what is inside of a border differs from its corner
_HEAD = struct.Struct("<2I6H")  # size of the picture, of the copy, what is inside of a border
_QUALITY = 90


@dataclass(frozen=True)
class Appearance:
    """A picture, as others are compared with it.

    Attributes:
        size: (width, height) px of the picture itself.
        inside: What is within a border of one colour; ALL where there is none.
        copy: RGB, its longer side at most SIDE px.
    """

    size: tuple[int, int]
    inside: Area
    copy: "Image.Image"


def part(place: int) -> Area:
    """Return which part of a picture the vector at a place below INSIDE is of."""
    (left, right), (top, bottom) = SPANS[place % len(SPANS)], SPANS[place // len(SPANS)]
    return Area(left, top, right, bottom)


def packed(copy: "Image.Image", size: tuple[int, int]) -> bytes:
    """Return what is kept of a picture: its size, its inside, its vectors, its copy as a JPEG.

    Args:
        copy: RGB, its longer side at most SIDE px.
        size: (width, height) px of the picture itself.
    """
    stream = BytesIO()
    plain = copy.copy()
    plain.info = {}
    plain.save(stream, "JPEG", quality=_QUALITY, subsampling=0)
    inside = _inside(copy)
    grey = copy.convert("L")
    head = _HEAD.pack(*size, *copy.size, *inside)
    return head + _vectors(grey, inside).tobytes() + stream.getvalue()


def vectors(data: bytes) -> "np.ndarray[Any, Any]":
    """Return the vectors of a picture: int8, (NUM_PARTS, CELLS * CELLS)."""
    import numpy as np

    count = NUM_PARTS * CELLS**2
    return np.frombuffer(data, np.int8, count, _HEAD.size).reshape(NUM_PARTS, CELLS**2)


def size_of(data: bytes) -> tuple[int, int]:
    """Return the (width, height) px of a picture."""
    width, height = _HEAD.unpack_from(data)[:2]
    return width, height


def inside_of(data: bytes) -> Area:
    """Return what of a picture is within a border of one colour; ALL where there is none."""
    _, _, across, down, left, top, right, bottom = _HEAD.unpack_from(data)
    return Area(left / across, top / down, right / across, bottom / down)


def unpacked(data: bytes) -> Appearance:
    """Return a picture as others are compared with it."""
    from PIL import Image

    with Image.open(BytesIO(data[_HEAD.size + NUM_PARTS * CELLS**2 :])) as copy:
        rgb = copy.convert("RGB")
    return Appearance(size_of(data), inside_of(data), rgb)


def _inside(copy: "Image.Image") -> tuple[int, int, int, int]:
    """Return the px box within a border of the top left corner's colour."""
    from PIL import Image, ImageChops

    corner = Image.new("RGB", copy.size, copy.getpixel((0, 0)))
    red, green, blue = ImageChops.difference(copy, corner).split()
    far = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    box = far.point(lambda level: 255 * (level > _BORDER)).getbbox()
    return box if box else (0, 0, *copy.size)


def _vectors(grey: "Image.Image", inside: tuple[int, int, int, int]) -> "np.ndarray[Any, Any]":
    """Return int8, (NUM_PARTS, CELLS * CELLS), of a grey copy."""
    import numpy as np
    from PIL.Image import Resampling

    fine = np.asarray(grey.resize((_FINE, _FINE), Resampling.BOX), np.float64)
    within = np.asarray(grey.resize((_FINE, _FINE), Resampling.BOX, box=inside), np.float64)
    shares, num = _shares(), len(SPANS)
    parts = (shares @ fine @ shares.T).reshape(num, CELLS, num, CELLS).transpose(0, 2, 1, 3)
    last = shares[:CELLS] @ within @ shares[:CELLS].T
    sums = np.concatenate([parts.reshape(-1, CELLS**2), last.reshape(1, CELLS**2)])
    # All whole numbers until here, so that every machine has the same vectors.
    away = sums * CELLS**2 - sums.sum(1, keepdims=True)
    length = np.sqrt((away * away).sum(1, keepdims=True))
    flat = length < _FLAT * CELLS**3 * _UNITS**2
    return np.where(flat, 0, np.rint(away * LENGTH / np.maximum(length, 1))).astype(np.int8)


@lru_cache(maxsize=1)
def _shares() -> "np.ndarray[Any, Any]":
    """Return (parts along an axis * CELLS, _FINE): how much of each px is in a cell, of _UNITS."""
    import numpy as np

    rows = np.zeros((len(SPANS) * CELLS, _FINE))
    edges = np.arange(_FINE + 1)
    for number, (begin, end) in enumerate(SPANS):
        at = np.linspace(begin, end, CELLS + 1) * _FINE
        for cell in range(CELLS):
            covered = np.diff(np.clip(edges, at[cell], at[cell + 1]))
            row = np.rint(covered * _UNITS / covered.sum())
            row[row.argmax()] += _UNITS - row.sum()
            rows[number * CELLS + cell] = row
    return rows
