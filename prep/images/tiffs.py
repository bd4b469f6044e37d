"""TIFFs that Pillow opens and shows wrongly: told as not supported, or mended."""

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from PIL import Image

_BITS, _CODING, _MEANING, _PLANES, _COLOURS, _NUMBERS = 258, 259, 262, 284, 320, 339
_UNSIGNED, _SIGNED = 1, 2


def misread(image: Any) -> str:
    """Return what an opened TIFF has that Pillow would read as something else; else nothing."""
    tags = image.tag_v2
    bits, numbers = tags.get(_BITS, (1,)), tags.get(_NUMBERS, (_UNSIGNED,))
    if bits == (8,) and numbers == (_SIGNED,):
        return "TIFF with 8-bit signed grey"
    apart = tags.get(_PLANES, 1) == 2 and tags.get(_CODING, 1) == 1 and len(bits) > 1
    # Pillow takes each plane's raw mode from a letter of the whole's.
    if apart and (bits[0] == 16 or any("a" in str(tile[3][0]) for tile in image.tile)):
        alpha = "" if bits[0] == 16 else " and premultiplied alpha"
        return f"TIFF in planes with {bits[0]}-bit colour{alpha}"
    return ""


def mended(image: Any) -> "Image.Image":
    """Return a loaded TIFF with grey levels and palette as its tags mean them.

    White is zero where the tag says so, in 16 bits and floats too; 12 bits run to 4095; a palette
    of which no number is over 255 is one of 8 bits, as libtiff takes it; 32-bit numbers without a
    sign run to 4294967295.

    Raises:
        ValueError: It holds numbers that are not finite.
    """
    from PIL import ImageChops, ImageMath

    from prep.images import pixels

    tags, info, shown = image.tag_v2, image.info, cast("Image.Image", image)
    bits, numbers = tags.get(_BITS, (1,)), tags.get(_NUMBERS, (_UNSIGNED,))
    mode = image.mode
    if mode == "I" and bits == (32,) and numbers == (_UNSIGNED,):
        # Pillow takes them as signed: the upper half comes out negative.
        whole: Any = ImageMath.lambda_eval(
            lambda v: v["float"](v["x"]) + v["float"](v["x"] < 0) * 4294967296.0, x=image
        )
        shown = whole if whole.getextrema()[1] > 65535 else whole.convert("I")
    if mode == "P" and max(tags[_COLOURS]) < 256:
        third = len(tags[_COLOURS]) // 3
        columns = (tags[_COLOURS][n * third : (n + 1) * third] for n in range(3))
        image.putpalette([level for colour in zip(*columns, strict=True) for level in colour])
    elif bits == (12,):
        shown = ImageMath.lambda_eval(
            lambda v: v["float"](v["x"]) * (255 / 4095) + 0.5, x=image.convert("I")
        ).convert("L")
    if tags.get(_MEANING) == 0 and mode in ("I;16", "F"):
        shown = ImageChops.invert(pixels.eight_bits(image)[0])
    shown.info = info
    return shown
