"""Which way up a picture is shown: its EXIF orientation, else the one of its XMP.

AVIF has properties of its own (`irot`, `imir`), which Pillow tells as an EXIF orientation; what
EXIF and XMP say there is ignored, as ISO/IEC 23008-12 asks. Of HEIC the library does the same.
JPEG XL is turned by its codestream, which the library follows, and what EXIF says is ignored
(ISO/IEC 18181-2); only of a JPEG inside, the library gives the pixels as they lie there.
"""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

_XMP = re.compile(rb"""tiff:Orientation\s*(?:=\s*["']|>)\s*([0-9]+)""")
_TAG = 0x0112
_CAMERA, _WIDTH, _HEIGHT = 0x8769, 0xA002, 0xA003  # what the camera noted of the picture
TURNED_ALREADY = "its EXIF says how to turn it, and its size that a program has turned it already"
# These say it outside XMP. Pillow has turned a TIFF, by its XMP too where it has no tag.
_QUARTERS = (5, 6, 7, 8)
_OWN_WAY = ("AVIF", "HEIF", "JXL", "TIFF")


def turn_of(source: Any, told: list[str]) -> "Image.Transpose | None":
    """Return how the orientation of `source`, the opened file, wants it turned.

    Values 2 to 8 ask for it; TIFF's were followed by Pillow. Any other value means upright: None.

    Args:
        told: Grows by a sentence for an orientation that means nothing, and by TURNED_ALREADY where
            that is how it is.
    """
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE, 6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }  # fmt: skip
    xmp = source.info.pop("xmp", None), source.info.pop("XML:com.adobe.xmp", None)
    try:
        value, where = source.getexif().get(_TAG), "EXIF"
    except Exception:  # EXIF is data from anywhere, and its parser raises accordingly
        told.append("its EXIF data is broken and ignored")
        value, where = None, "EXIF"
    if source.format == "JXL" and not source.jpeg:
        value = None
    if value is None and source.format not in _OWN_WAY:
        value, where = _of_xmp(*xmp), "XMP"
    if value not in turns and value not in (None, 1):
        told.append(f"its {where} orientation `{value}` means nothing and is ignored")
    if value in _QUARTERS and where == "EXIF" and _noted(source) == source.size[::-1]:
        told.append(TURNED_ALREADY)
    return turns.get(value)


def lies(source: Any) -> bool:
    """Return whether width and height of `source`, the opened file, change places upright."""
    from PIL.Image import Transpose

    quarters = (Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE)
    return turn_of(source, []) in (*quarters, Transpose.ROTATE_90)


def _noted(source: Any) -> tuple[Any, ...] | None:
    """Return the (width, height) px that the camera noted; None for a square, or none at all."""
    try:
        camera = source.getexif().get_ifd(_CAMERA)
    except Exception:  # as above
        return None
    noted = camera.get(_WIDTH), camera.get(_HEIGHT)
    return noted if noted[0] != noted[1] else None


def _of_xmp(*texts: Any) -> int | None:
    for text in texts:
        data = text.encode() if isinstance(text, str) else text
        found = _XMP.search(data) if isinstance(data, bytes) else None
        if found:
            return int(found[1])
    return None
