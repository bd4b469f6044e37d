"""What of a picture is no border: plain edges, letterbox bars and transparent margins go."""

from typing import TYPE_CHECKING, Any

from prep.images.placement import Box, Size

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

_PLAIN = 20  # levels of 255 around the line's own colour that JPEG makes of one colour
_STRAY = 0.01  # the part of a line that may be of another colour
_LEAST = 0.1  # what is left of width and height; a picture that is plain all over has no border


def content(image: "Image.Image", size: Size) -> Box:
    """Return (left, top, right, bottom) px of a picture without its plain borders.

    A line belongs to a border where it is of one colour, that of the border's outermost line.
    Transparency lies on white, so that a transparent margin is a plain border. What is left of a
    border that is not plain stays.

    Args:
        image: The picture, RGB, perhaps made smaller: then the box is a small px within.
        size: Its whole (width, height) px.
    """
    import numpy as np

    pixels = np.asarray(image, np.int16)
    height, width = pixels.shape[:2]
    top, bottom = _bounds(pixels)
    left, right = _bounds(pixels[top:bottom].transpose(1, 0, 2))
    if right - left < _LEAST * width or bottom - top < _LEAST * height:
        return (0, 0, *size)
    again, last = _bounds(pixels[top:bottom, left:right])  # bars on all four sides
    top, bottom = top + again, top + last
    across, down = size[0] / width, size[1] / height
    return (
        _outward(left, across),
        _outward(top, down),
        size[0] - _outward(width - right, across),
        size[1] - _outward(height - bottom, down),
    )


def _outward(lines: int, scale: float) -> int:
    """Return how many px of the whole picture a border of some small px is: none of it stays."""
    if not lines:
        return 0
    return lines if scale <= 1 else int(lines * scale) + int(scale) + 1


def _bounds(lines: "np.ndarray[Any, Any]") -> tuple[int, int]:
    """Return the first line that is no border, and the one after the last."""
    return _border(lines), len(lines) - _border(lines[::-1])


def _border(lines: "np.ndarray[Any, Any]") -> int:
    """Return how many of the first lines are a border: all of one colour."""
    import numpy as np

    colour = np.median(lines[0], axis=0)
    off = (np.abs(lines - colour).max(axis=2) > _PLAIN).mean(axis=1)
    other = np.flatnonzero(off > _STRAY)
    return int(other[0]) if len(other) else 0
