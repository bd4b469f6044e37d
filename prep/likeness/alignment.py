"""Where one picture lies in another one: to a fraction of a pixel, with a scale along each axis."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from prep.likeness.area import Area

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    Plane = np.ndarray[Any, Any]

_AROUND = 0.15  # of a side, of the edge's pixels repeated around a picture
_LEVELS = (24, 48, 96)  # px, the longer side of what is compared, one after the other
_STEPS = 4  # at each of them
_LEAST = 0.8  # correlation
_FURTHEST = 0.08  # of a side, in one step
_USUAL = 8.0  # levels; pixels much further apart than most of them count little
_NEAR = 0.0005  # of a side: a shorter step is the last one


@dataclass(frozen=True)
class Plate:
    """A picture with its edges repeated around it, so that what reaches over them can be cut.

    Attributes:
        image: RGB, without what is around it.
    """

    image: "Image.Image"

    def cut(self, box: Area, size: tuple[int, int], mode: str = "RGB") -> "Image.Image":
        """Return a part as an image of some size in px, `RGB` or `L`."""
        from PIL.Image import Resampling

        sheet = self._grey if mode == "L" else self._wide
        (width, height), (left, top) = self.image.size, self._margins
        corners = (
            min(max(box.left * width + left, 0), sheet.width - 1),
            min(max(box.top * height + top, 0), sheet.height - 1),
            min(max(box.right * width + left, 1), sheet.width),
            min(max(box.bottom * height + top, 1), sheet.height),
        )
        return sheet.resize(size, Resampling.BILINEAR, box=corners)

    @property
    def _margins(self) -> tuple[int, int]:
        width, height = self.image.size
        return max(2, round(_AROUND * width)), max(2, round(_AROUND * height))

    @cached_property
    def _wide(self) -> "Image.Image":
        import numpy as np
        from PIL import Image

        left, top = self._margins
        around = ((top, top), (left, left), (0, 0))
        return Image.fromarray(np.pad(np.asarray(self.image), around, mode="edge"))

    @cached_property
    def _grey(self) -> "Image.Image":
        return self._wide.convert("L")


def shared_size(
    one: tuple["Plate", Area], other: tuple["Plate", Area], most: int
) -> tuple[int, int]:
    """Return the size in px at which neither of two parts is enlarged; at most `most` long."""
    (first, box), (second, there) = one, other
    width = min(box.width * first.image.width, there.width * second.image.width)
    height = min(box.height * first.image.height, there.height * second.image.height)
    scale = min(1, most / max(width, height))
    return max(4, round(width * scale)), max(4, round(height * scale))


def aligned(inner: Plate, within: Area, outer: Plate, where: Area) -> Area | None:
    """Return where in the outer picture a part of the inner one lies; None: nowhere near.

    Gauss-Newton over a place and two scales (Lucas and Kanade 1981), from coarse to fine. Pixels
    that stay different count little, and a common change of brightness not at all.

    Args:
        inner: The picture that may be a part of the other one.
        within: The part of it that is looked for.
        outer: The other picture.
        where: Where the part lies, about.
    """
    import numpy as np

    for level in _LEVELS:
        size = shared_size((inner, within), (outer, where), level)
        wanted = np.asarray(inner.cut(within, size, "L"), np.float64)
        for _ in range(_STEPS):
            seen = np.asarray(outer.cut(where, size, "L"), np.float64)
            step = _step(wanted, seen)
            where = _moved(where, step)
            if where.width < 0.2 or where.height < 0.2:
                return None
            if np.abs(step).max() < _NEAR:
                break
        seen = np.asarray(outer.cut(where, size, "L"), np.float64)
        if _correlation(wanted, seen) < _LEAST:
            return None
    return where


def _step(wanted: "Plane", seen: "Plane") -> "Plane":
    """Return by how much what is seen should move right and down, and grow across and down."""
    import numpy as np

    height, width = seen.shape
    away = wanted - seen
    away = away - np.median(away)
    weights = 1 / (1 + (away / max(_USUAL, np.percentile(np.abs(away), 90))) ** 2)
    total = weights.sum()
    off, of = seen - (weights * seen).sum() / total, wanted - (weights * wanted).sum() / total
    gain = np.clip((weights * off * of).sum() / ((weights * off * off).sum() + 1e-9), 0.5, 2)
    away = of - gain * off
    down, across = np.gradient(gain * seen)
    down, across = down * height, across * width
    y, x = np.linspace(-0.5, 0.5, height)[:, None], np.linspace(-0.5, 0.5, width)[None, :]
    slopes = np.stack([across, down, across * x, down * y], -1).reshape(-1, 4)
    weighted = slopes * weights.reshape(-1, 1)
    square = slopes.T @ weighted + np.eye(4) * 1e-3 * width * height
    found = np.linalg.solve(square, weighted.T @ away.ravel())
    return np.clip(found, -_FURTHEST, _FURTHEST)


def _moved(box: Area, step: "Plane") -> Area:
    right, down, wider, taller = (float(value) for value in step)
    x = (box.left + box.right) / 2 + right * box.width
    y = (box.top + box.bottom) / 2 + down * box.height
    width, height = box.width * (1 + wider), box.height * (1 + taller)
    return Area(x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _correlation(one: "Plane", other: "Plane") -> float:
    import numpy as np

    off, of = one - one.mean(), other - other.mean()
    length = float(np.sqrt((off * off).sum() * (of * of).sum()))
    return float((off * of).sum()) / length if length > 1e-6 else 0.0
