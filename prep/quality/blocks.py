"""How strongly JPEG compressed a picture, also where it was saved as something else since.

JPEG keeps each block of 8x8 pixels as waves, whose heights are multiples of a step: the coarser the
steps, the more is lost. They are found again where the picture has kept its size, wherever the
first block begins (Fan and de Queiroz, Identification of bitmap compression history, IEEE
Transactions on Image Processing 12(2), 2003).
"""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_BLOCK = 8  # px
_STEEP = 40  # levels; larger steps are edges of what is shown
# Waves (down, across) whose steps are looked for, and their steps at quality 50 (ITU-T T.81, K.1).
_WAVES = {(0, 1): 11, (1, 0): 12, (1, 1): 12, (0, 2): 10, (2, 0): 14, (1, 2): 14, (2, 1): 13}
_FINEST, _COARSEST = 8, 160  # steps that are looked for
_BLOCKS = 1200  # that are looked at: the liveliest
_LEAST = 25  # waves that have a height, of which a step is told
_SURE = 0.72  # of 1; how near the heights are to multiples of a step
_GLANCE, _DOUBT = 120, 0.3  # heights that are looked at first, and what they may lack
_AGREE = 3  # waves whose steps are found
_NO_TRACE = 100.0
# Of flat drawings, which have few waves: the part of the blocks that is flat, how many times the
# steps between blocks are those within, and the quality below which they are.
_FLAT, _STAND_OUT, _STRONG = 0.45, 1.36, 20.0


def jpeg_quality(grey: "np.ndarray[Any, Any]", cut_off: "np.ndarray[Any, Any]") -> float:
    """Return the quality, 1 to 100, with which JPEG compressed a picture; 100: no trace of it.

    That of the Independent JPEG Group's library, whose steps are about as coarse.

    Args:
        grey: Parts at full scale, float32 levels, (parts, height, width); they begin at multiples
            of 8 px.
        cut_off: bool, of the same shape: where a channel is as dark or as light as it can be. The
            heights of waves there are no multiples of anything.
    """
    import numpy as np

    (top, down), (left, across) = _phase(grey.swapaxes(1, 2)), _phase(grey)
    begin = top, left
    blocks, cut = _blocks(grey, begin), _blocks(cut_off, begin).any(1)
    # Of a drawing in pure colours hardly any are left: then those neither black nor white.
    plain = (blocks.min(1, initial=255) > 1) & (blocks.max(1, initial=0) < 254)
    found = _of_blocks(blocks[~cut])
    found = _of_blocks(blocks[plain]) if found == _NO_TRACE and cut.any() else found
    flat = float((np.ptp(blocks, axis=1) < 1).mean()) if len(blocks) else 0.0
    drawing = flat >= _FLAT and min(down, across) >= _STAND_OUT
    return _STRONG if found == _NO_TRACE and drawing else found


def _of_blocks(blocks: "np.ndarray[Any, Any]") -> float:
    import numpy as np

    lively = np.argsort(-blocks.var(1), kind="stable")[:_BLOCKS]
    heights = blocks[lively].astype(np.float64) @ _waves().T
    steps = [_step(wave) for wave in heights.T]
    found = [
        _quality(step / base) for base, step in zip(_WAVES.values(), steps, strict=True) if step
    ]
    return float(np.median(found)) if len(found) >= _AGREE else _NO_TRACE


def _blocks(plane: "np.ndarray[Any, Any]", begin: tuple[int, int]) -> "np.ndarray[Any, Any]":
    """Return the whole blocks of a plane, (blocks, 64): the first is `begin` px down and across."""
    top, left = begin
    down, across = (plane.shape[1] - top) // _BLOCK, (plane.shape[2] - left) // _BLOCK
    inside = plane[:, top : top + down * _BLOCK, left : left + across * _BLOCK]
    rows = inside.reshape(-1, down, _BLOCK, across, _BLOCK).swapaxes(2, 3)
    return rows.reshape(-1, _BLOCK**2)


def _phase(grey: "np.ndarray[Any, Any]") -> tuple[int, float]:
    """Return where along a row the first whole block begins, and how far its edge stands out."""
    import numpy as np

    long = (grey.shape[2] - 1) // _BLOCK * _BLOCK
    if not long:
        return 0, 1.0
    steps = np.abs(np.diff(grey, axis=2))[:, :, :long]
    low = steps < _STEEP
    total = np.where(low, steps, 0).reshape(-1, _BLOCK).sum(0, dtype=np.float64)
    mean = total / np.maximum(low.reshape(-1, _BLOCK).sum(0), 1)
    edge = int(mean.argmax())
    usual = float(np.median(np.delete(mean, edge)))
    return (edge + 1) % _BLOCK, float(mean[edge]) / max(usual, 0.05)


def _step(heights: "np.ndarray[Any, Any]") -> int:
    """Return the coarsest step that the heights of a wave are multiples of; 0 for none."""
    import numpy as np

    heights = heights[np.abs(heights) > _FINEST / 2]
    for step in range(_COARSEST, _FINEST - 1, -1):
        high = heights[np.abs(heights) > step / 2]
        if len(high) < _LEAST or _near(high[:_GLANCE], step) < _SURE - _DOUBT:
            continue
        if _near(high, step) >= _SURE:
            return step
    return 0


def _near(heights: "np.ndarray[Any, Any]", step: int) -> float:
    """Return how near heights are to multiples of a step: 1 for all of them, 0 for chance."""
    import numpy as np

    return float(np.cos(heights * (2 * np.pi / step)).mean())


def _quality(part: float) -> float:
    """Return the quality at which steps are so many times those at quality 50."""
    return 50 / part if part >= 1 else 100 - 50 * part


@cache
def _waves() -> "np.ndarray[Any, Any]":
    """Return the waves of _WAVES over a block, each of length 1: (waves, 64)."""
    import numpy as np

    at = (2 * np.arange(_BLOCK) + 1) * np.pi / (2 * _BLOCK)
    one = [np.cos(number * at) for number in range(3)]
    rows = [np.outer(one[down], one[across]).ravel() for down, across in _WAVES]
    return np.array([row / np.linalg.norm(row) for row in rows])
