"""BMP whose channels are told by masks: alpha of 16 bits, and layouts that Pillow does not know.

What Pillow reads rightly is left to it. Numbers of n bits become 0 to 255 rounded down, as there.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

_BITFIELDS, _ALPHA_BITFIELDS = 3, 6
_HEADERS = (40, 52, 56, 108, 124)
# Those that Pillow has, but that it drops alpha of 16 bits.
_PILLOWS = {
    (0xF800, 0x7E0, 0x1F, 0), (0x7C00, 0x3E0, 0x1F, 0), (0xFF0000, 0xFF00, 0xFF, 0),
    (0xFF000000, 0xFF0000, 0xFF00, 0), (0xFF000000, 0xFF00, 0xFF, 0),
    (0xFF000000, 0xFF0000, 0xFF00, 0xFF), (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
    (0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0xFF000000, 0xFF00, 0xFF, 0xFF0000),
}  # fmt: skip
_ROWS = 256


def masks(data: bytes) -> tuple[int, int, int, int] | None:
    """Return the masks of R, G, B and alpha where they are ours to apply; else None."""
    size, bits, coding = _number(data, 14, 4), _number(data, 28, 2), _number(data, 30, 4)
    if size not in _HEADERS or bits not in (16, 32) or len(data) < 70:
        return None
    if coding not in (_BITFIELDS, _ALPHA_BITFIELDS):
        return None
    count = 4 if size >= 56 or coding == _ALPHA_BITFIELDS else 3
    found = [_number(data, 54 + 4 * n, 4) for n in range(count)] + [0] * (4 - count)
    red, green, blue, alpha = found
    if not red | green | blue or ((*found,) in _PILLOWS and coding == _BITFIELDS):
        return None
    return red, green, blue, alpha


def size(data: bytes) -> tuple[int, int]:
    """Return (width, height) px as the header tells."""
    return _number(data, 18, 4), abs(int.from_bytes(data[22:26], "little", signed=True))


def embedded_profile(data: bytes) -> bytes | None:
    """Return the ICC profile of a version 5 header; None without."""
    if _number(data, 14, 4) != 124 or data[70:74] != b"DEBM":
        return None
    at, length = 14 + _number(data, 126, 4), _number(data, 130, 4)
    return data[at : at + length] or None


def opened(data: bytes, channels: tuple[int, int, int, int]) -> "Image.Image":
    """Return the picture, RGB or RGBA.

    Raises:
        OSError: The file ends too early.
        ValueError: A mask has gaps, or its header is broken.
    """
    import numpy as np
    from PIL import Image

    width, height = size(data)
    upward = data[25] < 0x80
    wide, begin = _number(data, 28, 2) // 8, _number(data, 10, 4)
    stride = (width * wide + 3) // 4 * 4
    if not width or not height or len(data) < begin + stride * height:
        raise OSError("image file is truncated")
    used = channels if channels[3] else channels[:3]
    whole = Image.new("RGBA" if channels[3] else "RGB", (width, height))
    for top in range(0, height, _ROWS):
        rows = min(_ROWS, height - top)
        block = np.frombuffer(data, np.uint8, rows * stride, begin + top * stride)
        numbers = block.reshape(rows, stride)[:, : width * wide].reshape(rows, width, wide)
        values = np.ascontiguousarray(numbers).view(f"<u{wide}")[..., 0].astype(np.int64)
        planes = np.stack([_channel(values, mask) for mask in used], -1)
        if upward:
            whole.paste(Image.fromarray(planes[::-1]), (0, height - top - rows))
        else:
            whole.paste(Image.fromarray(planes), (0, top))
    return whole


def has_gaps(mask: int) -> bool:
    """Return whether a mask's bits do not stand side by side."""
    return mask != 0 and (mask // (mask & -mask) + 1) & (mask // (mask & -mask)) != 0


def opaque(image: "Image.Image") -> "Image.Image":
    """Return a BMP without an alpha that is 0 everywhere: it means nothing, as in Chromium."""
    clear = image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0)
    return image.convert("RGB") if clear else image


def _channel(values: Any, mask: int) -> Any:
    low = max((mask & -mask).bit_length() - 1, 0)
    top = (mask >> low) or 1
    if has_gaps(mask):
        raise ValueError("a mask has gaps")
    return (((values & mask) >> low) * 255 // top).astype("uint8")


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")
