"""Which part of a picture of several frames is shown: the first one, on the canvas of all."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

WHITE = (255, 255, 255)

Box = tuple[int, int, int, int]  # left, top, right, bottom in px


def first_place(image: Any, data: bytes) -> Box | None:
    """Return where the first frame lies in the canvas; None where it fills it.

    Args:
        image: As Pillow opened it, before it is loaded.
        data: The whole file.
    """
    box: Box | None = None
    if image.format in ("GIF", "PNG") and image.tile:
        box = image.tile[0][1]
    elif image.format == "WEBP" and image.mode == "RGB":
        box = _webp_place(data)
    return None if box == (0, 0, *image.size) else box


def framed(rgb: "Image.Image", place: Box | None) -> "Image.Image":
    """Return the picture with what its first frame leaves free as transparent, that is white."""
    if place is None:
        return rgb
    from PIL import Image

    canvas = Image.new("RGB", rgb.size, WHITE)
    canvas.paste(rgb.crop(place), place)
    return canvas


def has_more(image: Any) -> bool:
    """Return whether frames follow; a JPEG's further pictures (MPO) are none."""
    try:
        return image.format != "MPO" and bool(getattr(image, "is_animated", False))
    except Exception:  # a broken second frame is no concern of the first
        return False


def webp_chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """Return (name, begin, end) of the chunks up to the first frame's pixels."""
    at, found = 12, []
    while at + 8 <= len(data):
        name, begin = data[at : at + 4], at + 8
        end = begin + int.from_bytes(data[at + 4 : at + 8], "little")
        found.append((name, begin, min(end, len(data))))
        if name in (b"VP8 ", b"VP8L"):
            break
        at = begin + 16 if name == b"ANMF" else end + (end - begin) % 2
    return found


def _webp_place(data: bytes) -> Box | None:
    for name, at, end in webp_chunks(data):
        if name == b"ANMF" and end - at >= 16:
            left, top, wide, high = (
                int.from_bytes(data[at + 3 * n : at + 3 * n + 3], "little") for n in range(4)
            )
            return 2 * left, 2 * top, 2 * left + wide + 1, 2 * top + high + 1
    return None
