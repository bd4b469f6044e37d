"""Lines of writing in a picture: letters of one ink, one height and one line, side by side.

Horizontal ones alone, of letters that do not touch. What they say is not read.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from prep.quality.components import Components, components, connected

if TYPE_CHECKING:
    import numpy as np


class LetterLine(NamedTuple):
    """A line of writing: its box (left, top, right, bottom) px, and how many letters it has."""

    box: tuple[int, int, int, int]
    letters: int


_NEAR = 12  # px of the small copy to each side, with which a pixel is compared
_INKS = (24, 45, 75)  # levels by which ink differs from what is around it: faint, clear, strong
_LOW, _HIGH = 5, 70  # px, heights of letters
_WIDE = 2.2  # heights
_FULL = (0.16, 0.92)  # of its box, what a letter fills
_LETTERS = 5  # make a line
_ALIKE = 1.9  # the larger of two heights as a multiple of the other one
_LINE = 0.3  # of a height, by which letters may stand lower
_GAP = 1.1  # heights, between letters
_SAME_INK = 34  # levels
# Of a line: the part that stands on it, and what letters may and must differ by, in heights.
_STANDING, _LINE_OF_ALL = 0.65, 0.12
_HEIGHTS, _GAPS, _WIDTHS, _FILLS = 0.3, 0.4, 0.17, 0.06
_NARROW = 0.43  # heights, their mean width at least
_MOST = 1500  # areas that are looked at: more are no writing


def lettering(grey: "np.ndarray[Any, Any]") -> list[LetterLine]:
    """Return the lines of writing, the one of most letters first.

    Args:
        grey: A small copy, float32 levels, (height, width).
    """
    away = grey - _around(grey)
    found: list[LetterLine] = []
    for mask in (side * away > ink for ink in _INKS for side in (1, -1)):
        areas = _letters(components(mask, grey))
        if _LETTERS <= len(areas.sizes) <= _MOST:
            found += _lines(areas)
    return sorted(found, key=lambda line: (-line.letters, line.box))


def _around(grey: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return the mean around each pixel."""
    import numpy as np

    total = np.pad(grey, _NEAR, mode="edge").astype(np.float64)
    wide = 2 * _NEAR + 1
    for axis in (0, 1):
        total = np.insert(total.cumsum(axis), 0, 0, axis=axis)
        total = np.take(total, range(wide, total.shape[axis]), axis) - np.take(
            total, range(total.shape[axis] - wide), axis
        )
    return total / wide**2


def _letters(areas: Components) -> Components:
    """Return the areas that may be letters."""
    import numpy as np

    left, top, right, bottom = areas.boxes.T
    wide, high = right - left, bottom - top
    full = areas.sizes / np.maximum(wide * high, 1)
    good = (high >= _LOW) & (high <= _HIGH) & (wide <= _WIDE * high)
    # An `I` fills its box.
    good &= (full >= _FULL[0]) & ((full <= _FULL[1]) | (wide < 0.5 * high))
    return Components(*(part[good] for part in areas))


def _lines(areas: Components) -> list[LetterLine]:
    """Return the lines that letters make."""
    import numpy as np

    left, top, right, bottom = areas.boxes.T
    high = bottom - top
    tall = np.maximum(high[:, None], high[None])
    pairs = tall <= _ALIKE * np.minimum(high[:, None], high[None])
    pairs &= np.abs(bottom[:, None] - bottom[None]) <= _LINE * tall
    gap = left[None] - right[:, None]  # from one to the next
    pairs &= (gap <= _GAP * tall) & (gap >= -0.2 * tall) & (left[None] > left[:, None])
    pairs &= np.abs(areas.means[:, None] - areas.means[None]) <= _SAME_INK
    group = connected(len(high), *np.nonzero(pairs))
    found = []
    for number in range(int(group.max()) + 1):
        line = np.flatnonzero(group == number)
        if len(line) >= _LETTERS and _is_writing(areas, line):
            box = (left[line].min(), top[line].min(), right[line].max(), bottom[line].max())
            found.append(
                LetterLine((int(box[0]), int(box[1]), int(box[2]), int(box[3])), len(line))
            )
    return found


def _is_writing(areas: Components, line: "np.ndarray[Any, Any]") -> bool:
    """Return whether some areas stand on one line, and are as alike and unlike as letters are."""
    import numpy as np

    line = line[areas.boxes[line, 0].argsort()]
    boxes = areas.boxes[line]
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    usual = float(np.median(high))
    standing = np.abs(boxes[:, 3] - np.median(boxes[:, 3])) <= max(1.0, _LINE_OF_ALL * usual)
    gaps = (boxes[1:, 0] - boxes[:-1, 2]) / usual
    unlike = min(np.std(wide / usual) / _WIDTHS, np.std(areas.sizes[line] / (wide * high)) / _FILLS)
    return bool(
        standing.mean() >= _STANDING
        and np.std(high / usual) <= _HEIGHTS
        and np.std(gaps) <= _GAPS
        and gaps.mean() >= 0
        and np.std(areas.means[line]) <= _SAME_INK / 2
        and np.mean(wide / usual) >= _NARROW
        and unlike >= 1
    )
