"""Whether the alpha of a picture is what a person meant it to be."""

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

_CLEAR, _SOLID = 16, 240  # levels of alpha below and above which it is all or nothing
_SPECK = 100  # levels between a pixel and those around it


class Transparency(NamedTuple):
    """The alpha of a picture, as parts of it, 0 to 1.

    Attributes:
        seen: What is not fully transparent.
        half: What is neither clear nor solid.
        solid: What is not transparent at all.
        specks: Single pixels that are unlike all around them.
    """

    seen: float
    half: float
    solid: float
    specks: float


def transparency(alpha: "np.ndarray[Any, Any]") -> Transparency:
    """Return what the alpha of a picture is.

    Args:
        alpha: Parts at full scale, uint8, (parts, height, width); 255 is solid.
    """
    import numpy as np

    half = float(((alpha > _CLEAR) & (alpha < _SOLID)).mean())
    solid = float((alpha >= _SOLID).mean())
    seen = float((alpha > _CLEAR).mean())
    return Transparency(seen, half, solid, _specks(alpha.astype(np.int16)))


def _specks(alpha: "np.ndarray[Any, Any]") -> float:
    import numpy as np

    if min(alpha.shape[1:]) < 3:
        return 0.0
    middle = alpha[:, 1:-1, 1:-1]
    around = (alpha[:, :-2, 1:-1], alpha[:, 2:, 1:-1], alpha[:, 1:-1, :-2], alpha[:, 1:-1, 2:])
    most, least = np.maximum.reduce(around), np.minimum.reduce(around)
    return float((np.maximum(middle - most, least - middle) > _SPECK).mean())
