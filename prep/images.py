"""Pictures: file -> upright 8-bit sRGB, resized, hashed, PNG. Every Pillow rule we have.

One rule for each kind of picture (raise `VERSION` when one changes pixels):

- format: told by content: PNG, JPEG (MPO: its first picture), WebP, BMP, GIF, TIFF, AVIF; the
  file's name decides nothing. At most `MAX_PIXELS` pixels and `MAX_BYTES` bytes.
- frames: the first one.
- orientation: EXIF values 2 to 8 are applied once; any other value means upright.
- transparency (alpha, a transparent palette entry or colour): composited on `WHITE`.
- palette, 1 bit, YCbCr, LAB: to RGB by Pillow; ordered or not, no dithering is involved.
- CMYK: by its ICC profile, else Pillow's complement.
- ICC profile: to sRGB, perceptual intent; left alone where it moves no colour by more than 1.
  A grey picture with an RGB profile becomes RGB first. A broken or foreign profile is ignored.
- 16-bit grey (`I;16`) and 32-bit integers (`I`): 0 to 65535 becomes 0 to 255, rounded; where a
  value lies outside, the picture's own range is stretched to 0 to 255.
- floats (`F`): as integers, for the smallest of 0 to 1, 0 to 255, 0 to 65535 that holds them all.
- 16-bit colour: the high byte, as Pillow decodes it.

Knows no sample, stage or folder.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from prep import bands, pixels

if TYPE_CHECKING:
    from PIL import Image

VERSION = 1
MAX_PIXELS = 112_000_000  # two copies of it fit into the memory of one decoder
MAX_BYTES = 1 << 30
WHITE = pixels.WHITE
# Kind and reason of a picture for which memory ran out.
NO_MEMORY = ("resource-limit", "decoding it takes too much memory")

Filter = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
_NAMED = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jfif": "JPEG", ".webp": "WEBP",
    ".bmp": "BMP", ".gif": "GIF", ".tif": "TIFF", ".tiff": "TIFF", ".avif": "AVIF",
}  # fmt: skip
SUFFIXES = frozenset(_NAMED)
# How files begin that are pictures to a person; not all of them are opened.
_BEGINNINGS = (
    ("JPEG", 0, b"\xff\xd8\xff"), ("PNG", 0, b"\x89PNG\r\n\x1a\n"), ("GIF", 0, b"GIF8"),
    ("BMP", 0, b"BM"), ("TIFF", 0, b"II*\0"), ("TIFF", 0, b"MM\0*"), ("WEBP", 8, b"WEBP"),
    ("TIFF", 0, b"II+\0"), ("TIFF", 0, b"MM\0+"), ("EPS", 0, b"%!PS"), ("PSD", 0, b"8BPS"),
    ("EPS", 0, b"\xc5\xd0\xd3\xc6"), ("PDF", 0, b"%PDF"), ("FITS", 0, b"SIMPLE  ="),
    ("DDS", 0, b"DDS "), ("ICO", 0, b"\0\0\1\0"), ("JPEG 2000", 4, b"jP  "),
    ("JPEG 2000", 0, b"\xff\x4f\xff\x51"), ("JPEG XL", 0, b"\xff\x0a"), ("JPEG XL", 4, b"JXL "),
)  # fmt: skip


class Unreadable(Exception):  # noqa: N818 - it reads as what the picture is
    """A file that gives no picture.

    Attributes:
        kind: empty-file, truncated, not-an-image, format-not-allowed, too-many-pixels,
            resource-limit, missing, io-error or decode-error.
        why: The reason as a person reads it; the same for the same bytes.
    """

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(kind, why)
        self.kind, self.why = kind, why


@dataclass(frozen=True)
class Decoded:
    """A picture as every stage sees it.

    Attributes:
        image: Upright RGB, 8 bits a channel, no metadata.
        format: What the file is by its content, as `PNG`.
        warnings: What was ignored or is not as the file's name says.
    """

    image: "Image.Image"
    format: str
    warnings: tuple[str, ...]


def opened(file: BinaryIO | Path, name: str = "") -> Decoded:
    """Decode a whole picture. Python's warning filters are set meanwhile: one thread at a time.

    Args:
        file: A seekable stream, or a path.
        name: The file's name, to warn about a wrong suffix; a path brings its own.

    Raises:
        Unreadable: For whatever is wrong with the file.
    """
    with _unreadable(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's; what a person should know is told by us
        if isinstance(file, Path):
            with file.open("rb") as stream:
                return _decoded(stream, file.name)
        return _decoded(file, name)


def _decoded(stream: BinaryIO, name: str) -> Decoded:
    image = loaded(stream)
    kind = "JPEG" if image.format == "MPO" else str(image.format)
    told: list[str] = []
    moving = image.format != "MPO" and _more_frames(image)
    turning: list[str] = []
    turn = _turn(image, turning)
    upright = bands.flattened(image, told)
    del image  # of a large picture, there is no room for three copies
    told += turning
    if turn is not None:
        upright = upright.transpose(turn)
    if moving:
        told.append("has more than one frame: the first is used")
    named = _NAMED.get(Path(name).suffix.lower(), kind)
    if named != kind:
        told.append(f"is named as {named} and holds {kind}")
    upright.info = {}
    return Decoded(upright, kind, tuple(told))


def loaded(stream: BinaryIO, whole: bool = True) -> "Image.Image":
    """Return the image in a file, of any mode; `whole`, its pixels are read, else its header.

    Raises:
        Unreadable: For most of what can be wrong with it; hostile files raise nearly every class.
    """
    from PIL import AvifImagePlugin, Image, TiffImagePlugin, WebPImagePlugin

    # Without these three in place, Pillow would import all its plugins to find them.
    _ = AvifImagePlugin, TiffImagePlugin, WebPImagePlugin
    found, first = _recognised(stream)
    try:
        image = Image.open(stream, formats=_FORMATS)
        _check_size(image.size)
        if whole:
            image.load()
    except (Unreadable, MemoryError, Image.DecompressionBombError):
        raise
    except Exception as error:
        if found is None:
            raise Unreadable("not-an-image", f"not a picture, begins with `{first}`") from None
        raise _damaged(found, stream, error) from error
    return image


def _recognised(stream: BinaryIO) -> tuple[str | None, str]:
    """Return the format by the file's beginning, and the first bytes in hexadecimal."""
    size = stream.seek(0, 2)
    stream.seek(0)
    head = stream.read(1024)
    if not head:
        raise Unreadable("empty-file", "the file is empty")
    if size > MAX_BYTES:
        raise Unreadable("resource-limit", f"{size} bytes, at most {MAX_BYTES} are read")
    found = _by_beginning(head)
    if found and found not in _FORMATS:
        raise Unreadable("format-not-allowed", f"{found} is not opened: save it as PNG or JPEG")
    return found, head[:16].hex(" ")


def _by_beginning(head: bytes) -> str | None:
    for name, at, beginning in _BEGINNINGS:
        if head[at:].startswith(beginning):
            return name
    if head[4:8] == b"ftyp":  # the brand decides, and it may stand among the compatible ones
        brands = head[8:64]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        return "HEIC" if b"hei" in brands or b"mif1" in brands else None
    return "SVG" if b"<svg" in head else None


def _damaged(kind: str, stream: BinaryIO, error: Exception) -> Unreadable:
    """Return what is wrong with a file that began well: cut short, or broken within."""
    size = stream.seek(0, 2)
    stream.seek(0)
    head = stream.read(12)
    stream.seek(max(0, size - 64))
    tail = stream.read()
    ends = {
        "PNG": b"IEND" in tail,
        "JPEG": b"\xff\xd9" in tail,
        "GIF": tail.endswith(b"\0;"),
        "WEBP": size >= 8 + int.from_bytes(head[4:8], "little"),
        "BMP": size >= int.from_bytes(head[2:6], "little"),
        "TIFF": size > int.from_bytes(head[4:8], "little" if head[:1] == b"I" else "big"),
    }
    # These two can lack pixels although their end looks whole; of the others it tells all.
    unsure = kind in ("TIFF", "GIF") or not ends.get(kind)
    said = "truncated" in str(error).lower() and unsure
    if said or ends.get(kind) is False:
        return Unreadable("truncated", f"the {kind} ends too early, after {size} bytes")
    if "MAX_TEXT" in str(error):
        return Unreadable("resource-limit", f"the text in the {kind} is too large")
    name = "broken header" if "cannot identify" in str(error) else _sentence(error)
    return Unreadable("decode-error", f"the {kind} is damaged: {name}")


@contextmanager
def _unreadable() -> Iterator[None]:
    """Turn whatever a decoder raises into Unreadable: hostile files raise nearly everything."""
    from PIL.Image import DecompressionBombError

    try:
        yield
    except Unreadable:
        raise
    except MemoryError:
        raise Unreadable(*NO_MEMORY) from None
    except DecompressionBombError as error:
        raise _too_large(str(error).partition("(")[2].partition(" ")[0] + " px") from None
    except FileNotFoundError:
        raise Unreadable("missing", "the file is gone") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise Unreadable("io-error", error.strerror or str(error)) from error
        if "MAX_TEXT" in str(error):
            raise Unreadable("resource-limit", "the text in the file is too large") from error
        raise Unreadable("decode-error", _sentence(error)) from error


def _check_size(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise _too_large(f"{size[0]}x{size[1]} px")


def _too_large(size: str) -> Unreadable:
    limit = f"at most {MAX_PIXELS // 1_000_000} megapixels are decoded"
    return Unreadable("too-many-pixels", f"{size}, {limit}")


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _more_frames(image: "Image.Image") -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # a broken second frame is no concern of the first
        return False


def _turn(source: "Image.Image", told: list[str]) -> "Image.Transpose | None":
    """Return how the EXIF orientation of `source` wants it turned; None where it is upright."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE, 6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }  # fmt: skip
    try:
        value: Any = source.getexif().get(0x0112, 1)
    except Exception:  # EXIF is data from anywhere, and its parser raises accordingly
        told.append("its EXIF data is broken and ignored")
        return None
    if value not in turns and value != 1:
        told.append(f"its EXIF orientation `{value}` means nothing and is ignored")
    return turns.get(value)


def resized(
    image: "Image.Image",
    size: tuple[int, int],
    filter: Filter = "lanczos",  # noqa: A002 - the field's word
) -> "Image.Image":
    """Return the image at `size` (width, height) px; at its own size, the same pixels."""
    from PIL.Image import Resampling

    return image.resize(size, Resampling[filter.upper()])


def png(image: "Image.Image") -> bytes:
    """Return an image as PNG without metadata: the same bytes for the same pixels."""
    stream = BytesIO()
    write_png(image, stream)
    return stream.getvalue()


def write_png(image: "Image.Image", stream: BinaryIO) -> None:
    """Write what `png` returns; no copy of the image is made."""
    info, image.info = image.info, {}
    try:
        image.save(stream, "PNG", compress_level=6)
    finally:
        image.info = info
