"""The small copies of a picture that the report shows: two sizes in one value. Pillow."""

import struct
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL import Image

SIDE = 320  # px, the longer side of the larger copy
_SMALL = 104  # px, of the smaller one: 5,000 of them stay within the page's 20 MB
_HEAD = struct.Struct("<I")
_MOST = 9 << 20  # bytes of all larger copies in a page; of more pictures it has the smaller ones


class SmallCopies(NamedTuple):
    """Both copies of a picture: WebP, JPEG where Pillow has no WebP; without metadata."""

    small: bytes
    large: bytes


def packed(picture: "Image.Image") -> bytes:
    """Return both copies of an upright RGB picture as one value; it is never made larger."""
    small, large = _encoded(picture, _SMALL, 48), _encoded(picture, SIDE, 72)
    return _HEAD.pack(len(small)) + small + large


def unpacked(data: bytes) -> SmallCopies:
    """Return what `packed` made one value of."""
    (length,) = _HEAD.unpack_from(data)
    end = _HEAD.size + length
    return SmallCopies(data[_HEAD.size : end], data[end:])


def fitting(values: Iterable[bytes], most: int = _MOST) -> list[bytes]:
    """Return the larger copy of each picture, or of each the smaller, if they were too many bytes.

    Args:
        values: What `packed` returned, in the order of the pictures.
        most: Bytes that all of the larger ones may have.
    """
    small, large = [], []
    left = most
    for copies in _each(values):
        small.append(copies.small)
        left -= len(copies.large)
        if left >= 0:
            large.append(copies.large)
        else:
            large.clear()  # thousands of them are not held in vain
    return large if left >= 0 else small


def _each(values: Iterable[bytes]) -> Iterator[SmallCopies]:
    for data in values:
        yield unpacked(data)


def _encoded(picture: "Image.Image", side: int, quality: int) -> bytes:
    from io import BytesIO

    from PIL import features

    copy = picture.copy()
    copy.info = {}
    copy.thumbnail((side, side))
    stream = BytesIO()
    if features.check("webp"):
        copy.save(stream, "webp", quality=quality, method=4)
    else:
        copy.save(stream, "jpeg", quality=quality)
    return stream.getvalue()
