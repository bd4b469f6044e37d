"""What Pillow does not tell of a PNG: depth, the clear colour as written, cICP, broken data.

The format is that of the W3C's PNG specification, third edition.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_FIRST = 8  # the signature's length


@dataclass(frozen=True)
class PngHeader:
    """What stands before a PNG's pixels.

    Attributes:
        depth: Bits a channel: 1, 2, 4, 8 or 16.
        clear: The tRNS values of a grey (1) or RGB (3) picture, in the depth's own range; () for
            none, and for palettes, whose alpha Pillow reads.
        coding: (primaries, transfer, matrix, full range) of cICP; None without.
        apple: Xcode's variant (CgBI), which is no PNG for anyone else.
    """

    depth: int = 8
    clear: tuple[int, ...] = ()
    coding: tuple[int, int, int, int] | None = None
    apple: bool = False


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, begin, end) of each chunk's data, to the last one that lies in the file."""
    at = _FIRST
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            return
        yield data[at + 4 : at + 8], at + 8, end
        at = end + 4


def header(data: bytes) -> PngHeader:
    """Return what stands before the pixels; values of a broken chunk are left out."""
    depth, colour, clear, coding, apple = 8, 0, b"", None, False
    for name, begin, end in chunks(data):
        body = data[begin:end] if name in (b"IHDR", b"tRNS", b"cICP") else b""
        if name == b"IDAT":
            break
        if name == b"IHDR" and len(body) >= 13:
            depth, colour = body[8], body[9]
        elif name == b"tRNS":
            clear = body
        elif name == b"cICP" and len(body) == 4:
            coding = (body[0], body[1], body[2], body[3])
        elif name == b"CgBI":
            apple = True
    values = {0: 1, 2: 3}.get(colour, 0)
    if not values or len(clear) < 2 * values:
        return PngHeader(depth, (), coding, apple)
    # "(If the image bit depth is less than 16 bits, the least significant bits are used.)"
    words = (int.from_bytes(clear[2 * n : 2 * n + 2], "big") for n in range(values))
    return PngHeader(depth, tuple(word & ((1 << depth) - 1) for word in words), coding, apple)


def clear_value(found: PngHeader, mode: str) -> int | tuple[int, ...]:
    """Return `found.clear` in the range of the pixels that Pillow gives for `mode`."""
    if len(found.clear) == 3:
        return found.clear
    top = {"1": 255, "L": 255}.get(mode, (1 << found.depth) - 1)
    return found.clear[0] * top // ((1 << found.depth) - 1)


def is_broken(data: bytes) -> bool:
    """Return whether the picture's data are not those that were written.

    A checksum that alone is wrong is a writer's mistake: the data have a second one, which Pillow
    asks only where it needs the last bytes.
    """
    places = [(begin, end) for name, begin, end in chunks(data) if name == b"IDAT"]
    view = memoryview(data)
    if all(
        zlib.crc32(view[begin - 4 : end]).to_bytes(4, "big") == data[end : end + 4]
        for begin, end in places
    ):
        return False
    return not inflates(b"".join(view[begin:end] for begin, end in places))


def inflates(coded: bytes) -> bool:
    """Return whether a zlib stream is whole and its checksum holds; its content is not kept."""
    stream = zlib.decompressobj()
    try:
        while coded and not stream.eof:
            stream.decompress(coded, 1 << 20)
            coded = stream.unconsumed_tail
        stream.flush(1 << 16)
    except zlib.error:
        return False
    return stream.eof
