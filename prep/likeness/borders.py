"""What the frames of two aligned pictures tell: which one was cut, and which has a border."""

from typing import TYPE_CHECKING, Any

from prep.likeness.alignment import Plate
from prep.likeness.area import Area

if TYPE_CHECKING:
    import numpy as np

CROPPED, BORDERED = "cropped", "bordered"
_MORE = 0.02  # of a picture, less of which is no part that the other picture lacks
_PLAIN, _STRAY = 20, 0.02  # levels around one colour; the part of the pixels that may be elsewhere
_EVEN = 0.012  # of the longer side by which the four sides of a border may differ


def told_by_frames(
    mine: Plate, own: Area, other: Plate, common: Area
) -> tuple[set[str], bool | None] | None:
    """Return what the frames of two pictures tell, and whether the inner one repeats.

    None where each shows something that the other one does not.
    """
    more, others = _has_more(own), _has_more(common)
    if not more and not others:
        return set(), None
    plain = _around(mine, own) if more else None
    plains = _around(other, common) if others else None
    if more and others:
        if plain is None and plains is None:
            return None
        if plain is not None and plains is not None:
            return {CROPPED}, None
        return {CROPPED, BORDERED}, plain is not None
    if plain is not None and _is_border(mine, own, plain):
        return {BORDERED}, True
    if plains is not None and _is_border(other, common, plains):
        return {BORDERED}, False
    return {CROPPED}, others


def _has_more(box: Area) -> bool:
    return 1 - box.width * box.height > _MORE


def _around(plate: Plate, box: Area) -> "np.ndarray[Any, Any] | None":
    """Return the one colour that a picture has outside of a box; None: it has several."""
    import numpy as np

    pixels = np.asarray(plate.image, np.int16)
    outside = np.ones(pixels.shape[:2], bool)
    left, top, right, bottom = box.pixels(plate.image.size)
    outside[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1] = False
    colours = pixels[outside]
    if not len(colours):
        return None
    usual = np.median(colours, axis=0)
    stray = (np.abs(colours - usual).max(1) > _PLAIN).mean()
    return usual if stray <= _STRAY else None


def _is_border(plate: Plate, box: Area, colour: "np.ndarray[Any, Any]") -> bool:
    """Return whether one colour around a box is a border, not what the picture itself has there.

    It is one where the picture's own edge has other colours, or where all sides are as wide.
    """
    import numpy as np

    left, top, right, bottom = box.pixels(plate.image.size)
    within = np.asarray(plate.image, np.int16)[top + 2 : bottom - 2, left + 2 : right - 2]
    if within.size:
        edge = np.concatenate([within[0], within[-1], within[:, 0], within[:, -1]])
        if (np.abs(edge - colour).max(1) > _PLAIN).mean() > 0.5:
            return True
    width, height = plate.image.size
    sides = (box.left * width, box.top * height, (1 - box.right) * width, (1 - box.bottom) * height)
    return max(sides) - min(sides) <= max(1.5, _EVEN * max(width, height))
