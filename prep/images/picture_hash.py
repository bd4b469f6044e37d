"""A number by which pictures that look alike are found."""

from typing import TYPE_CHECKING

from prep.images import picture_file

if TYPE_CHECKING:
    from PIL import Image

SIDES = (9, 8)  # px, of what is compared
_COMPARED = [y * 9 + x for y in range(8) for x in range(8)]  # each with its right neighbour


def perceptual_hash(image: "Image.Image") -> int:
    """Return the 64-bit difference hash (dHash) of an image; similar pictures differ in few bits.

    Grey by Pillow's `L`, resized to 9x8 with Lanczos; a bit says that a pixel is darker than its
    right neighbour, row by row, the top left one in the highest bit. As `imagehash.dhash`.
    """
    row = picture_file.resized(image.convert("L"), SIDES).tobytes()
    return int("".join(["01"[row[at] < row[at + 1]] for at in _COMPARED]), 2)
