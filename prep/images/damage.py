"""Damage that decoders pass over in silence, found in the file after the picture was decoded.

Coded data are as good as random: a run of `HOLE` zero bytes in them is a hole that a disk or a
broken download left, save where a large plain area is coded by zeros. Where that can be, the
suspicion is proved or dropped: a hole leaves the decoder with data that it does not want, and
checksums do not hold. JPEG has its own way (`jpeg_scans`), PNG its checksums, and a GIF's decoder
notices; what is stored uncompressed (BMP, some TIFF) can have any bytes, and is not looked at.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any

from prep.images import boxes, frames, jpeg_scans, jpeg_segments, png_chunks

HOLE = jpeg_scans.HOLE
# Whole pictures use their last bytes; a decoder that can do without so many was led astray.
_SPARE = 8
_LZW, _JPEG, _PACKBITS, _ZSTD, _DEFLATE = 5, 7, 32773, 50000, (8, 32946)
_WEBP_DATA = (b"VP8 ", b"VP8L", b"ALPH")


def found_in(kind: str, data: bytes, image: Any) -> str:
    """Return what is wrong with the data of a decoded picture; empty where nothing is.

    Args:
        kind: The format, as `PNG`.
        data: The whole file.
        image: As Pillow opened it.
    """
    if kind == "PNG":
        return "its checksums do not match" if png_chunks.is_broken(data) else ""
    if kind not in _HOLES or data.find(bytes(HOLE)) < 0:
        return ""
    with suppress(IndexError, ValueError, TypeError):  # odd headers, which the decoder took
        for place in _HOLES[kind](data, image):
            return f"a run of zero bytes at byte {place} of the file"
    return ""


def _in_webp(data: bytes, image: Any) -> Iterator[int]:
    parts = frames.webp_chunks(data)
    for name, begin, end in parts:
        place = data.find(bytes(HOLE), begin, end)
        if name in _WEBP_DATA and place >= 0 and _spare(data, parts, name, image.size):
            yield place


def _spare(
    data: bytes, parts: list[tuple[bytes, int, int]], short: bytes, size: tuple[int, int]
) -> bool:
    """Return whether the frame can be decoded without the end of one of its chunks."""
    from PIL import Image

    body = b""
    for name, begin, end in parts:
        if name in _WEBP_DATA:
            piece = data[begin : end - _SPARE * (name == short)]
            body += name + len(piece).to_bytes(4, "little") + piece + bytes(len(piece) % 2)
    if body.startswith(b"ALPH"):
        sides = b"".join((side - 1).to_bytes(3, "little") for side in size)
        body = b"VP8X\x0a\0\0\0\x10\0\0\0" + sides + body
    riff = b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body
    try:
        Image.open(BytesIO(riff), formats=("WEBP",)).load()
    except Exception:  # it wants what is missing
        return False
    return True


def _in_avif(data: bytes, _: Any) -> Iterator[int]:
    # A plain picture of 64 megapixels takes 800 bytes in all, with runs of 16 zeros.
    for begin, end in boxes.picture_data(data):
        place = data.find(bytes(HOLE), begin, end)
        if place >= 0:
            yield place


def _in_tiff(data: bytes, image: Any) -> Iterator[int]:
    tags = image.tag_v2
    coding, tables = tags.get(259, 1), tags.get(347, b"")
    begins, sizes = (tags.get(a) or tags.get(b, ()) for a, b in ((273, 324), (279, 325)))
    for begin, size in zip(begins, sizes, strict=False):
        place = data.find(bytes(HOLE), begin, begin + size)
        if place >= 0 and _wrong_zeros(coding, data[begin : begin + size], tables):
            yield place


def _wrong_zeros(coding: int, strip: bytes, tables: bytes) -> bool:
    if coding in _DEFLATE:
        return not png_chunks.inflates(strip)
    if coding == _JPEG:
        return not all(scan.flat for scan in jpeg_segments.scans(tables[:-2] + strip[2:]))
    return coding in (_LZW, _PACKBITS, _ZSTD)


_HOLES: dict[str, Callable[[bytes, Any], Iterator[int]]] = {
    "WEBP": _in_webp,
    "AVIF": _in_avif,
    "TIFF": _in_tiff,
}
