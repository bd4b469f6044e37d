"""A sheet of a picture's parts at full scale, below a small copy of it: what is measured of it.

Sharpness, compression and the like are seen in single pixels, which a small copy does not have, and
a whole picture need not be looked at for them.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

COPY = 512  # px, the longer side of the copy
TILE = 128  # px, the sides of a part
MOST = 6  # parts along an axis
_GRID = 8  # px; JPEG's blocks begin at multiples of it, and so do the parts


class TileLayout(NamedTuple):
    """Where the parts of a picture lie.

    Attributes:
        copy: (width, height) px of the small copy.
        tile: (width, height) px of each part.
        lefts: px in the picture; `tops` alike.
    """

    copy: tuple[int, int]
    tile: tuple[int, int]
    lefts: tuple[int, ...]
    tops: tuple[int, ...]

    @property
    def sheet(self) -> tuple[int, int]:
        """Return the (width, height) px of the sheet."""
        across, down = self.tile[0] * len(self.lefts), self.tile[1] * len(self.tops)
        return max(self.copy[0], across), self.copy[1] + down


def layout(size: tuple[int, int]) -> TileLayout:
    """Return where the parts of a picture of some (width, height) px lie, and its small copy."""
    longer = max(size)
    small = size if longer <= COPY else tuple(max(1, round(side * COPY / longer)) for side in size)
    tile = (min(TILE, size[0]), min(TILE, size[1]))
    lefts, tops = (_places(side, part) for side, part in zip(size, tile, strict=True))
    return TileLayout((small[0], small[1]), tile, lefts, tops)


def laid_out(image: "Image.Image") -> "Image.Image":
    """Return the sheet of an RGB picture."""
    from PIL import Image
    from PIL.Image import Resampling

    plan = layout(image.size)
    sheet = Image.new("RGB", plan.sheet)
    small = image if image.size == plan.copy else image.resize(plan.copy, Resampling.BOX)
    sheet.paste(small, (0, 0))
    width, height = plan.tile
    for row, top in enumerate(plan.tops):
        for column, left in enumerate(plan.lefts):
            part = image.crop((left, top, left + width, top + height))
            sheet.paste(part, (column * width, plan.copy[1] + row * height))
    return sheet


def taken_apart(
    sheet: "Image.Image", size: tuple[int, int]
) -> "tuple[Image.Image, np.ndarray[Any, Any]]":
    """Return the small copy, and the parts: uint8, (rows, columns, height, width, 3).

    Args:
        size: (width, height) px of the picture that the sheet is of.
    """
    import numpy as np

    plan = layout(size)
    (width, height), rows, columns = plan.tile, len(plan.tops), len(plan.lefts)
    below = np.asarray(sheet)[plan.copy[1] :, : columns * width]
    parts = below.reshape(rows, height, columns, width, 3).swapaxes(1, 2)
    return sheet.crop((0, 0, *plan.copy)), parts


def _places(side: int, part: int) -> tuple[int, ...]:
    """Return where parts of a side begin: evenly over all of it, none over another one."""
    count = min(MOST, side // part)
    if count == 1:
        return ((side - part) // 2 // _GRID * _GRID,)
    return tuple(n * (side - part) // (count - 1) // _GRID * _GRID for n in range(count))
