"""A number by which pictures that look alike are found."""

from typing import TYPE_CHECKING

from prep.images import picture_file

if TYPE_CHECKING:
    from PIL import Image

SIDES = (9, 8)  # px, of what is compared


def perceptual_hash(image: "Image.Image") -> int:
    """Return the 64-bit difference hash (dHash) of an image; similar pictures differ in few bits.

    Grey by Pillow's `L`, resized to 9x8 with Lanczos; a bit says that a pixel is darker than its
    right neighbour, row by row, the top left one in the highest bit. As `imagehash.dhash`.
    """
    row = list(picture_file.resized(image.convert("L"), SIDES).tobytes())
    bits = (row[y * 9 + x] < row[y * 9 + x + 1] for y in range(8) for x in range(8))
    return sum(bit << (63 - place) for place, bit in enumerate(bits))
