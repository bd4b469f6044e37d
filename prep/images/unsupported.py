"""What a picture holds that we cannot read, told from its header: it is sound, and not damaged."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BytesIO

from prep.images import bitmaps, jpeg_segments, png_chunks

_FRAMES = {
    0xC3: "lossless JPEG", 0xC5: "hierarchical JPEG", 0xC6: "hierarchical JPEG",
    0xC7: "lossless JPEG", 0xF7: "JPEG-LS", **dict.fromkeys(jpeg_segments.ARITHMETIC, "JPEG with "
    "arithmetic coding"), 0xDE: "hierarchical JPEG",
}  # fmt: skip
_PHOTOMETRIC = {
    0: "grey", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "Lab",
    9: "Lab", 10: "Lab", 32803: "camera raw", 32844: "LogLuv", 32845: "LogLuv", 34892: "camera raw",
}  # fmt: skip
_NUMBERS = {2: "signed ", 3: "float ", 5: "complex ", 6: "complex "}
_CODINGS = {
    6: "old JPEG", 9: "JBIG", 10: "JBIG", 33003: "JPEG 2000", 33004: "JPEG 2000",
    33005: "JPEG 2000", 34661: "JBIG", 34712: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG",
    34933: "PNG", 34934: "JPEG XR", 50002: "JPEG XL", 52546: "JPEG XL", 22610: "JPEG XR",
}  # fmt: skip
_READ_CODINGS = (1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34676, 34677, 34925, 50000)
_BITS = {1, 2, 4, 6, 8, 10, 12, 14, 16, 24, 32, 64}
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
_BMP_CODINGS = {4: "a JPEG inside", 5: "a PNG inside", 11: "CMYK", 12: "CMYK", 13: "CMYK"}


def feature(kind: str, data: bytes) -> str:
    """Return what a file of this format has that is not read, as `lossless JPEG`; else nothing."""
    with suppress(Exception):  # a header that cannot be followed is a broken one
        return _FEATURES[kind](data) if kind in _FEATURES else ""
    return ""


def _of_jpeg(data: bytes) -> str:
    for segment in jpeg_segments.segments(data):
        frame = segment.marker
        if frame in (0xC0, 0xC1, 0xC2, *_FRAMES):
            bits, height, layers = segment.body[0], segment.body[1:3], segment.body[5]
            if len(segment.body) != 6 + 3 * layers:
                return ""
            if frame in _FRAMES:
                return _FRAMES[frame]
            if bits in (10, 12, 16):
                return f"JPEG with {bits} bits a channel"
            if height == b"\0\0":
                return "JPEG that tells its height after the picture"
            return f"JPEG with {layers} channels" if layers not in (1, 3, 4) else ""
    return ""


def _of_png(data: bytes) -> str:
    return "PNG in Apple's own form (CgBI)" if png_chunks.header(data).apple else ""


def _of_bmp(data: bytes) -> str:
    size = int.from_bytes(data[14:18], "little")
    bits, coding = (int.from_bytes(data[at : at + 2], "little") for at in (28, 30))
    if size == 12:
        bits, coding = int.from_bytes(data[24:26], "little"), 0
    if size not in _BMP_HEADERS:
        return f"BMP with a header of {size} bytes" if size == 16 else ""
    if size == 64 and coding > 2:
        return "BMP of OS/2 with Huffman or RLE24 coding"
    if coding in _BMP_CODINGS:
        return f"BMP with {_BMP_CODINGS[coding]}"
    if any(map(bitmaps.has_gaps, bitmaps.masks(data) or ())):
        return "BMP with masks that have gaps"
    if bits in (2, 48, 64):
        return f"BMP with {bits} bits a pixel"
    return ""


def _of_tiff(data: bytes) -> str:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2(data[: 16 if 43 in data[2:4] else 8])
    stream = BytesIO(data)
    stream.seek(tags.next)
    tags.load(stream)
    begins, sizes = (tags.get(a) or tags.get(b, ()) for a, b in ((273, 324), (279, 325)))
    ends = [begin + size for begin, size in zip(begins, sizes, strict=True)]
    if 256 not in tags or 257 not in tags or not ends or max(ends) > len(data):
        return ""
    coding = tags.get(259, 1)
    if coding not in _READ_CODINGS:
        return f"TIFF with {_CODINGS.get(coding, f'coding {coding}')} inside"
    bits, numbers = tags.get(258, (1,)), tags.get(339, (1,))
    meaning = tags.get(262, 0)
    if meaning not in _PHOTOMETRIC or not set(bits) <= _BITS:
        return ""
    count = "/".join(map(str, bits)) if len(set(bits)) > 1 else str(bits[0])
    what = f"{_NUMBERS.get(numbers[0], '')}{_PHOTOMETRIC[meaning]}"
    extra = tags.get(277, len(bits)) - {2: 3, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3}.get(meaning, 1)
    more = f" and {extra} more channels" if extra > 1 else " and alpha" if extra == 1 else ""
    planes = "in planes " if tags.get(284, 1) == 2 else ""
    return f"TIFF {planes}with {count}-bit {what}{more}"


_FEATURES: Mapping[str, Callable[[bytes], str]] = {
    "JPEG": _of_jpeg,
    "PNG": _of_png,
    "BMP": _of_bmp,
    "TIFF": _of_tiff,
}
