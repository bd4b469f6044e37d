"""Pictures: file -> upright 8-bit sRGB, resized, hashed, PNG. Every Pillow rule we have.

One rule for each kind of picture: docs/pictures.md lists them, with their sources. Raise `VERSION`
when one changes pixels. A file's name decides nothing, its content does. At most `MAX_PIXELS`
pixels and `MAX_BYTES` bytes are read.

Knows no sample, stage or folder.
"""

import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from prep.images import (
    bands,
    bitmaps,
    damage,
    formats,
    frames,
    jpeg_scans,
    pixels,
    tiffs,
)
from prep.images.orientation import turn_of
from prep.images.spaces import space_of
from prep.images.unreadable import (
    MAX_PIXELS,
    Unreadable,
    damaged,
    not_supported,
    too_large,
    unreadable,
)

if TYPE_CHECKING:
    from PIL import Image

VERSION = 3
MAX_BYTES = 1 << 30
WHITE = pixels.WHITE

Filter = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
_CLEAR = "it has transparency\nsave it without: white trains, black does not"
SUFFIXES = frozenset(formats.NAMED)


@dataclass(frozen=True)
class Decoded:
    """A picture as every stage sees it.

    Attributes:
        image: Upright RGB, 8 bits a channel, no metadata.
        format: What the file is by its content, as `PNG`.
        warnings: What was ignored or converted, or is not as the file's name says.
    """

    image: "Image.Image"
    format: str
    warnings: tuple[str, ...]


def opened(
    file: BinaryIO | Path, name: str = "", *, alpha: bool = False, opaque: bool = False
) -> Decoded:
    """Decode a whole picture. Python's warning filters are set meanwhile: one thread at a time.

    Args:
        file: A seekable stream, or a path.
        name: The file's name, to warn about a wrong suffix; a path brings its own.
        alpha: Whether its alpha is wanted, as grey: white where it is opaque.
        opaque: Whether one that has transparency is refused, as a mask is.

    Raises:
        Unreadable: For whatever is wrong with the file.
    """
    with unreadable(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's; what a person should know is told by us
        if isinstance(file, Path):
            with file.open("rb") as stream:
                return _decoded(stream, file.name, alpha, opaque)
        return _decoded(file, name, alpha, opaque)


def _decoded(stream: BinaryIO, name: str, alpha: bool, opaque: bool) -> Decoded:
    from PIL import ImageChops

    found, first = _recognised(stream)
    data = stream.getvalue() if isinstance(stream, BytesIO) else _whole(stream)
    image, place = _loaded(data, found, first)
    kind = formats.known_as(str(image.format or found))
    wrong = damage.found_in(kind, data, image)
    if wrong:
        raise Unreadable("decode-error", f"the {kind} is damaged: {wrong}")
    told: list[str] = []
    space = space_of(kind, data, image, told)
    moving = frames.has_more(image)
    turning: list[str] = []
    turn = turn_of(image, turning)
    mend = {"TIFF": tiffs.mended, "BMP": bitmaps.opaque}.get(kind)
    shown = mend(image) if mend else image
    if opaque and not pixels.is_opaque(shown):
        raise Unreadable("transparent", _CLEAR)
    flat = pixels.hidden(shown) if alpha else bands.flattened(shown, told, space)
    del image, shown  # of a large picture, there is no room for three copies
    upright = frames.framed(flat, place)  # what is around a frame is white: it is hidden, too
    upright = ImageChops.invert(upright) if alpha else upright
    del flat
    told += turning
    if turn is not None:
        upright = upright.transpose(turn)
    if moving:
        told.append("has more than one frame: the first is used")
    named = formats.meant_by(Path(name).suffix) or kind
    if named != kind:
        told.append(f"is named as {named} and holds {kind}")
    upright.info = {}
    return Decoded(upright, kind, tuple(told))


def _whole(stream: BinaryIO) -> bytes:
    stream.seek(0)
    return stream.read()


def header(stream: BinaryIO) -> "Image.Image":
    """Return the image in a file as Pillow opens it: its size and mode, no pixel read.

    Raises:
        Unreadable: It is empty, too large, or of a format that is not opened.
        Exception: Whatever Pillow raises for a header that it cannot read.
    """
    found, _ = _recognised(stream)
    return _opened(stream, found)


def _opened(stream: BinaryIO, found: str | None) -> "Image.Image":
    from PIL import AvifImagePlugin, Image, TiffImagePlugin, WebPImagePlugin

    # Without these three in place, Pillow would import all its plugins to find them.
    _ = AvifImagePlugin, TiffImagePlugin, WebPImagePlugin
    more = formats.registered(found or "")
    stream.seek(0)
    image = Image.open(stream, formats=(more,) if more else _FORMATS)
    _check_size(image.size)
    return image


def _loaded(data: bytes, found: str | None, first: str) -> "tuple[Image.Image, frames.Box | None]":
    """Return the image in the file, of any mode, its pixels read, and where its first frame lies.

    The header comes first. None stands for a frame that fills the whole picture.
    """
    from PIL import Image

    try:
        masks = bitmaps.masks(data) if found == "BMP" else None
        if masks:
            _check_size(bitmaps.size(data))
            return bitmaps.opened(data, masks), None
        image = _opened(BytesIO(data), found)
        _check_form(image)
        place = frames.first_place(image, data)
        if image.format in ("JPEG", "MPO"):
            jpeg_scans.load(image, data)
        image.load()
        _check_palette(image)
    except jpeg_scans.DamagedError as error:
        raise Unreadable("truncated", f"the JPEG is damaged: {error}") from None
    except (Unreadable, MemoryError, Image.DecompressionBombError):
        raise
    except Exception as error:
        if found is None:
            raise Unreadable("not-an-image", f"not a picture, begins with `{first}`") from None
        raise damaged(found, data, error) from error
    return image, place


def _recognised(stream: BinaryIO) -> tuple[str | None, str]:
    """Return the format by the file's beginning, and the first bytes in hexadecimal."""
    size = stream.seek(0, 2)
    stream.seek(0)
    head = stream.read(1024)
    if not head:
        raise Unreadable("empty-file", "the file is empty")
    if size > MAX_BYTES:
        raise Unreadable("resource-limit", f"{size} bytes, at most {MAX_BYTES} are read")
    found = formats.by_beginning(head)
    if found and found not in _FORMATS and not formats.registered(found):
        package = formats.package_of(found)
        way = f"`pip install {package}` reads it, or " if package else ""
        raise Unreadable(
            "format-not-allowed", f"{found} is not opened: {way}save it as PNG or JPEG"
        )
    return found, head[:16].hex(" ")


def _check_size(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise too_large(f"{size[0]}x{size[1]} px")


def _check_form(image: "Image.Image") -> None:
    form = tiffs.misread(image) if image.format == "TIFF" else ""
    if form:
        raise not_supported(form)


def _check_palette(image: "Image.Image") -> None:
    if image.mode == "P" and image.palette is None:
        raise Unreadable("decode-error", f"the {image.format} is damaged: it has no palette")


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
