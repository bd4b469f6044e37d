"""Two pictures in one, each with a box drawn where it matters."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prep.images import picture_file

if TYPE_CHECKING:
    from PIL import Image

HEIGHT = 512  # px, of the taller one
_GAP, _PAPER, _INK, _AROUND = 16, "white", "red", "white"


def side_by_side(
    pairs: Sequence[tuple["Image.Image", tuple[int, int], Sequence[int] | None]],
) -> bytes:
    """Return a PNG of pictures beside each other, from the left.

    Args:
        pairs: RGB, perhaps made smaller; the (width, height) px of the picture itself; in px of
            that, the box (left, top, right, bottom) to be drawn, or None.
    """
    from PIL import Image

    drawn = [_framed(*each) for each in pairs]
    width = sum(image.width for image in drawn) + _GAP * (len(drawn) - 1)
    sheet = Image.new("RGB", (width, max(image.height for image in drawn)), _PAPER)
    left = 0
    for image in drawn:
        sheet.paste(image, (left, 0))
        left += image.width + _GAP
    return picture_file.png(sheet)


def _framed(
    image: "Image.Image", size: tuple[int, int], box: Sequence[int] | None
) -> "Image.Image":
    """Return a picture with a box, both as large as `image`."""
    from PIL import ImageDraw

    if box is None:
        return image
    image = image.copy()
    across, down = image.width / size[0], image.height / size[1]
    left, top, right, bottom = box
    corners = (left * across, top * down, right * across, bottom * down)
    pen = ImageDraw.Draw(image)
    for around, colour, width in ((4, _AROUND, 4), (3, _INK, 2)):
        wider = (
            max(0, round(corners[0]) - around), max(0, round(corners[1]) - around),
            min(image.width - 1, round(corners[2]) + around),
            min(image.height - 1, round(corners[3]) + around),
        )  # fmt: skip
        pen.rectangle(wider, outline=colour, width=width)
    return image
