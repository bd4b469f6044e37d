"""How far apart two aligned pictures are, pixel by pixel, and how far they are in general."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prep.likeness import levels
from prep.likeness.area import Area

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    Plane = np.ndarray[Any, Any]

PEAK = 2.8  # times the noise; what stands out more was changed
_LEAST_NOISE = 4.0  # levels
_DETAIL = 4.0  # levels from pixel to pixel; without it there is nothing to compare
_FEW = 30  # pixels
_EDGE = 0.015  # of the longer side: what is cut there may be half a pixel of something else


@dataclass(frozen=True)
class Apart:
    """Two aligned pictures without their edges.

    Attributes:
        one: (H, W, 3), float32, of the first picture.
        other: The same of the second.
        away: (H, W), levels: see `prep.likeness.levels.beyond`.
        detail: (H, W), bool: which pixels have any in one of the two.
        noise: Levels; how far pixels with detail are from each other where nothing was changed.
        corner: How much was cut off on the left and above, px.
        size: (width, height) px with the edges.
    """

    one: "Plane"
    other: "Plane"
    away: "Plane"
    detail: "Plane"
    noise: float
    corner: tuple[int, int]
    size: tuple[int, int]

    def region(self, mask: "Plane") -> Area:
        """Return the smallest part of the whole that holds all of a mask, which is not empty."""
        import numpy as np

        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        (left, top), (width, height) = self.corner, self.size
        return Area(
            float(columns[0] + left) / width,
            float(rows[0] + top) / height,
            float(columns[-1] + 1 + left) / width,
            float(rows[-1] + 1 + top) / height,
        )


def apart(first: "Image.Image", second: "Image.Image") -> Apart:
    """Return how far apart two RGB images of one size are."""
    import numpy as np

    one, other = np.asarray(first, np.float32), np.asarray(second, np.float32)
    width, height = first.size
    edge = max(2, round(_EDGE * max(first.size)))
    edge = edge if min(first.size) > 4 * edge else 0
    inner = np.s_[edge : height - edge, edge : width - edge]
    away = levels.beyond(one, other)[inner]
    detail = np.maximum(levels.detail(one), levels.detail(other))[inner] > _DETAIL
    seen = away[detail]
    # What was changed may be a tenth of the pixels, so that the furthest ones alone do not tell.
    noise = _LEAST_NOISE + min(percentile(seen, 95), 4 * percentile(seen, 60) + 2)
    return Apart(one[inner], other[inner], away, detail, noise, (edge, edge), first.size)


def percentile(values: "Plane", part: float) -> float:
    """Return a percentile; 0 where there are too few values to have one."""
    import numpy as np

    return float(np.percentile(values, part)) if values.size > _FEW else 0.0
