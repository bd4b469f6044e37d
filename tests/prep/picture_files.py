"""Pictures written byte by byte, without Pillow: what its writers cannot make."""

import struct
import zlib
from collections.abc import Iterable, Sequence

import numpy as np

Chunk = tuple[bytes, bytes]
Tag = tuple[int, int, Sequence[int]]  # number, type, values
_SIZES = {1: "B", 3: "H", 4: "I", 7: "B"}


def png_chunks(*chunks: Chunk) -> bytes:
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def png(values: object, depth: int, colour: int, *extra: Chunk, level: int = 6) -> bytes:
    """Return a PNG of numbers of shape (height, width[, channels]); `extra` stands before IDAT."""
    array = np.asarray(values)
    height, width = array.shape[:2]
    flat = array.reshape(height, -1)
    if depth == 16:
        packed = flat.astype(">u2").view("uint8").reshape(height, -1)
    else:
        bits = (flat[..., None] >> np.arange(depth)[::-1]) & 1
        packed = np.packbits(bits.reshape(height, -1).astype("uint8"), axis=1)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return png_chunks(
        (b"IHDR", head), *extra, (b"IDAT", zlib.compress(rows, level)), (b"IEND", b"")
    )


def words(*values: int) -> bytes:
    """Return 16-bit numbers as PNG writes them."""
    return struct.pack(f">{len(values)}H", *values)


def gif(canvas: tuple[int, int], frame: tuple[int, int, int, int], clear: int = -1) -> bytes:
    """Return a GIF of one frame (left, top, width, height) of colour 1, red; colour 0 is blue."""
    left, top, wide, high = frame
    head = b"GIF89a" + struct.pack("<HHBBB", *canvas, 0x80, 0, 0) + b"\0\0\xff\xff\0\0"
    control = b"!\xf9\x04\x01\0\0" + bytes([clear]) + b"\0" if clear >= 0 else b""
    place = b"," + struct.pack("<HHHHB", left, top, wide, high, 0)
    # Codes of 3 bits: clear (4), 1; never long enough for a fourth bit.
    bits = "".join(f"{code:03b}"[::-1] for _ in range(wide * high) for code in (4, 1))
    bits += "101"  # the end (5)
    bits += "0" * (-len(bits) % 8)
    data = bytes(int(bits[n : n + 8][::-1], 2) for n in range(0, len(bits), 8))
    blocks = b"".join(
        bytes([len(data[n : n + 255])]) + data[n : n + 255] for n in range(0, len(data), 255)
    )
    return head + control + place + b"\2" + blocks + b"\0;"


def bmp(
    values: Sequence[Sequence[int]],
    bits: int,
    masks: Sequence[int] = (),
    header: int = 124,
    coding: int = 3,
) -> bytes:
    """Return a BMP of pixels of 16 or 32 bits, its rows from the bottom up."""
    height, width = len(values), len(values[0])
    letter = {16: "H", 32: "I"}[bits]
    rows = b"".join(
        struct.pack(f"<{width}{letter}", *row) + bytes(-width * bits // 8 % 4)
        for row in reversed(values)
    )
    info = struct.pack(
        "<IiiHHIIiiII", header, width, height, 1, bits, coding, len(rows), 0, 0, 0, 0
    )
    info += struct.pack(f"<{len(masks)}I", *masks)
    if header > 40:
        info = info.ljust(header, b"\0")[:header]
    begin = 14 + len(info)
    return b"BM" + struct.pack("<IHHI", begin + len(rows), 0, 0, begin) + info + rows


def tiff(
    size: tuple[int, int],
    bits: Sequence[int],
    meaning: int,
    strips: Sequence[bytes],
    more: Iterable[Tag] = (),
) -> bytes:
    """Return a little-endian TIFF; each strip is one part of the picture, or one of its planes."""
    width, height = size
    given = {number: (number, kind, values) for number, kind, values in more}
    basic: list[Tag] = [
        (256, 3, [width]), (257, 3, [height]), (258, 3, bits), (259, 3, [1]), (262, 3, [meaning]),
        (273, 4, [0] * len(strips)), (277, 3, [len(bits)]), (278, 3, [height]),
        (279, 4, [len(strip) for strip in strips]),
    ]  # fmt: skip
    tags = sorted({**{tag[0]: tag for tag in basic}, **given}.values())
    packed = {n: struct.pack(f"<{len(v)}{_SIZES[kind]}", *v) for n, kind, v in tags}
    begin = 8 + 2 + 12 * len(tags) + 4
    far = sum(len(value) + len(value) % 2 for value in packed.values() if len(value) > 4)
    places, at = [], begin + far
    for strip in strips:
        places.append(at)
        at += len(strip)
    packed[273] = struct.pack(f"<{len(places)}I", *places)
    entries = blob = b""
    for number, kind, values in tags:
        value = packed[number]
        if len(value) > 4:
            entries += struct.pack("<HHII", number, kind, len(values), begin + len(blob))
            blob += value + bytes(len(value) % 2)
        else:
            entries += struct.pack("<HHI", number, kind, len(values)) + value.ljust(4, b"\0")
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    return head + entries + bytes(4) + blob + b"".join(strips)


def jpeg_with_frame(data: bytes, marker: int, bits: int = 8, layers: int = 3) -> bytes:
    """Return a JPEG with its frame header's marker, bits and channels replaced."""
    at = data.index(b"\xff\xc0")
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    body = bytes([bits]) + data[at + 5 : at + 9] + bytes([layers])
    parts = b"".join(bytes([n + 1, 0x11, 0]) for n in range(layers))
    segment = body + parts
    return (
        data[:at]
        + bytes([0xFF, marker])
        + (len(segment) + 2).to_bytes(2, "big")
        + segment
        + data[at + 2 + length :]
    )
