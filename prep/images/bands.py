"""A large picture of any mode -> RGB, a band of rows at a time: never three copies of it.

The rules are those of `prep.images.pixels`, and so is each pixel.
"""

from typing import TYPE_CHECKING

from prep.images import colour, pixels

if TYPE_CHECKING:
    from PIL import Image

_BAND_PIXELS = 1 << 22
# Of these modes, a pixel's value in RGB depends on no other pixel.
_EACH_ALONE = (
    "1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB",
)  # fmt: skip


def flattened(
    image: "Image.Image", told: list[str], space: colour.Space | None = None
) -> "Image.Image":
    """Return what `pixels.flattened` does: the image itself where nothing is to be done."""
    from PIL import Image

    width, height = image.size
    rows = max(1, _BAND_PIXELS // width)
    plain = image.mode == "RGB" and not image.info.keys() & {"icc_profile", "transparency"}
    if (plain and space is None) or height <= rows or image.mode not in _EACH_ALONE:
        return pixels.flattened(image, told, space)
    whole = Image.new("RGB", image.size)
    for top in range(0, height, rows):
        said: list[str] = []
        band = image.crop((0, top, width, min(height, top + rows)))
        whole.paste(pixels.flattened(band, said, space), (0, top))
        told += [line for line in said if line not in told]
    return whole
