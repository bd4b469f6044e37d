"""What a fan-out is given of a picture whose pixels stay in the decoding process."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class PictureOutline:
    """A picture, or a part of one, without its pixels: it can be cut and mirrored as an image can.

    Attributes:
        size: Upright (width, height) px.
        box: Where it lies in the picture, (left, top, right, bottom) px.
        flip: Mirrored left to right.
        small: Of a whole picture, what the stage's `fit` makes of it, RGB; None where it has none.
    """

    size: tuple[int, int]
    box: Box
    flip: bool = False
    small: "Image.Image | None" = None

    @property
    def width(self) -> int:
        """The width, px."""
        return self.size[0]

    @property
    def height(self) -> int:
        """The height, px."""
        return self.size[1]

    def crop(self, box: Box) -> "PictureOutline":
        """Return a part of it, as `Image.crop` does.

        Raises:
            ValueError: The box is empty, or leads out of it.
        """
        left, top, right, bottom = box
        if not (0 <= left < right <= self.width and 0 <= top < bottom <= self.height):
            raise ValueError(f"the box {box} is not a part of {self.width}x{self.height} px")
        if self.flip:
            left, right = self.width - right, self.width - left
        x, y = self.box[:2]
        moved = (x + left, y + top, x + right, y + bottom)
        return PictureOutline((right - left, bottom - top), moved, self.flip)

    def transpose(self, method: Any) -> "PictureOutline":
        """Return it mirrored left to right, as `Image.transpose` does.

        Raises:
            ValueError: Another way to turn it is asked for.
        """
        from PIL.Image import Transpose

        if method != Transpose.FLIP_LEFT_RIGHT:
            raise ValueError(f"a fan-out cuts and mirrors, it does not {Transpose(method).name}")
        return PictureOutline(self.size, self.box, not self.flip)


def whole(size: tuple[int, int], small: "Image.Image | None" = None) -> PictureOutline:
    """Return the outline of a whole picture of (width, height) px, and what is seen of it."""
    return PictureOutline(size, (0, 0, *size), small=small)
