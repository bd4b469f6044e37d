"""What JPEG did to a picture: steps between its blocks, also where it was saved again since."""

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

_BLOCK = 8  # px
_STEEP = 40  # levels; larger steps are edges of what is shown
_LEAST = 200  # rows and columns, together, of which a mean is one


class Blocks(NamedTuple):
    """How far the blocks of a picture stand out.

    Attributes:
        ratio: The steps between blocks as a multiple of those within them.
        step: Levels by which they are larger.
    """

    ratio: float
    step: float


def blocks(grey: "np.ndarray[Any, Any]") -> Blocks:
    """Return how far blocks of 8 px stand out, wherever the first one begins.

    Args:
        grey: Parts at full scale, float32 levels, (parts, height, width); they begin at multiples
            of 8 px.
    """
    across, down = _folded(grey), _folded(grey.swapaxes(1, 2))
    if across is None or down is None:
        return Blocks(1.0, 0.0)
    ratios = [_standing_out(phase) for phase in (across, down)]
    low = min(ratios)  # what is shown may have a grid one way; JPEG's goes both ways
    return Blocks(*low)


def _folded(grey: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any] | None":
    """Return the mean step to the next pixel for each place within a block."""
    import numpy as np

    long = (grey.shape[2] - 1) // _BLOCK * _BLOCK
    if not long:
        return None
    steps = np.abs(np.diff(grey, axis=2))[:, :, :long]
    plain = steps < _STEEP
    count = plain.reshape(-1, _BLOCK).sum(0)
    total = np.where(plain, steps, 0).reshape(-1, _BLOCK).sum(0, dtype=np.float64)
    return total / np.maximum(count, 1) if count.min() >= _LEAST else None


def _standing_out(phase: "np.ndarray[Any, Any]") -> tuple[float, float]:
    import numpy as np

    best = int(phase.argmax())
    usual = float(np.median(np.delete(phase, best)))
    return float(phase[best]) / max(usual, 0.05), float(phase[best]) - usual
