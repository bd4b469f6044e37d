"""How far apart the pixels of two aligned images are, by several measures; all in levels of 255."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Plane = np.ndarray[Any, Any]

_ROUNDS = 4
_WITHIN = 6.0  # levels; what is further from a common exposure says little of it
_LARGE, _SMALL = (24, 4), (96, 1)  # most parts of the longer side, and the least px of a part
_VARIED = 100.0  # squared levels; a channel that varies less tells nothing of contrast


def beyond(one: "Plane", other: "Plane") -> "Plane":
    """Return by how much each pixel leaves what is around it in the other image.

    Args:
        one: (H, W, 3), float32.
        other: The same.

    Returns:
        (H, W), the largest of the channels and of both ways, each a mean over 3x3 pixels.
    """
    import numpy as np

    ways = (_leaves(one, other), _leaves(other, one))
    return _largest(np.maximum(*(np.abs(_blurred(way)) for way in ways)))


def _leaves(one: "Plane", other: "Plane") -> "Plane":
    """Return by how much pixels are above or below all their neighbours in another image."""
    import numpy as np

    low, high = other, other
    for axis in (0, 1):
        low, high = _of_three(low, np.minimum, axis), _of_three(high, np.maximum, axis)
    found: Plane = np.maximum(one - high, 0) - np.maximum(low - one, 0)
    return found


def detail(pixels: "Plane") -> "Plane":
    """Return how much the grey of (H, W, 3) changes from pixel to pixel around each one."""
    import numpy as np

    grey = (pixels[..., 0] + pixels[..., 1] + pixels[..., 2]) / 3
    down, across = np.gradient(grey)
    return _blurred(_blurred(np.abs(down) + np.abs(across)))


def overall(one: "Plane", other: "Plane") -> "Plane":
    """Return by how much each large area of two (H, W, 3) differs, the largest of the channels."""
    import numpy as np

    away: Plane = np.abs(_coarse(one - other, _LARGE)).max(2)
    return away


def exposure(one: "Plane", other: "Plane") -> tuple["Plane", float]:
    """Return one (H, W, 3), exposed as most of the other one is, and by how many levels that moves.

    Each channel by a contrast and a shift; what fits no common rule is left out, step by step.
    """
    import numpy as np

    gains, shifts, moved = np.ones(3), np.zeros(3), 0.0
    coarse = [_coarse(each, _SMALL).reshape(-1, 3) for each in (one, other)]
    for channel in range(3):
        x, y = (each[:, channel].astype(np.float64) for each in coarse)
        weights = np.ones_like(x)
        for _ in range(_ROUNDS):
            total = weights.sum()
            mean_x, mean_y = (weights * x).sum() / total, (weights * y).sum() / total
            spread = (weights * (x - mean_x) ** 2).sum()
            if spread > _VARIED * total:
                gains[channel] = (weights * (x - mean_x) * (y - mean_y)).sum() / spread
            shifts[channel] = mean_y - gains[channel] * mean_x
            weights = 1 / (1 + ((y - gains[channel] * x - shifts[channel]) / _WITHIN) ** 2)
        step = (gains[channel] - 1) * x + shifts[channel]
        moved = max(moved, float(np.sqrt((step * step).mean())))
    return (gains * one + shifts).astype(np.float32), moved


def widened(mask: "Plane") -> "Plane":
    """Return a mask, (H, W), with the pixels next to it."""
    import numpy as np

    for axis in (0, 1):
        mask = _of_three(mask, np.maximum, axis)
    return mask


def _coarse(pixels: "Plane", blocks: tuple[int, int]) -> "Plane":
    """Return the means of square blocks of (H, W, 3)."""
    height, width = pixels.shape[:2]
    side = min(height, width, max(blocks[1], -(-max(height, width) // blocks[0])))
    rows, columns = height // side, width // side
    cut = pixels[: rows * side, : columns * side]
    found: Plane = cut.reshape(rows, side, columns, side, 3).mean((1, 3))
    return found


def _largest(pixels: "Plane") -> "Plane":
    """Return the largest of three channels; `max(2)` takes ten times as long."""
    import numpy as np

    found: Plane = np.maximum(np.maximum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])
    return found


def _blurred(pixels: "Plane") -> "Plane":
    """Return the mean over the 3x3 pixels around each one."""
    import numpy as np

    for axis in (0, 1):
        pixels = _of_three(pixels, np.add, axis)
    return pixels / 9


def _of_three(pixels: "Plane", what: "np.ufunc", axis: int) -> "Plane":
    """Return what becomes of each pixel and its neighbours along an axis; edges are repeated."""
    import numpy as np

    around = [(0, 0)] * pixels.ndim
    around[axis] = (1, 1)
    wide = np.moveaxis(np.pad(pixels, around, mode="edge"), axis, 0)
    found: Plane = np.moveaxis(what(what(wide[:-2], wide[1:-1]), wide[2:]), 0, axis)
    return found
