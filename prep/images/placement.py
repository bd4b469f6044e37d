"""Where a window of one size lies in a picture so that it cuts nothing that matters. Arithmetic."""

import math
from collections.abc import Iterable, Sequence

Size = tuple[int, int]
Box = tuple[int, int, int, int]
Spans = Sequence[tuple[float, float]]


def offset(length: int, window: int, preferred: float, spans: Spans) -> int:
    """Return where a window begins on a line so that it cuts as few spans as it can.

    Args:
        length: Of the line, px.
        window: Its own length, px; at most `length`.
        preferred: Where it would begin without any span; it is as near to that as it can.
        spans: (begin, end) of what must not be cut, the most important first: one that cannot be
            kept together with those before it is given up.
    """
    low, high = 0, length - window
    for begin, end in spans:
        first, last = max(low, math.ceil(end) - window), min(high, math.floor(begin))
        if first <= last:
            low, high = first, last
    return min(max(math.floor(preferred), low), high)


def placed(
    size: Size, window: Size, preferred: tuple[float, float], boxes: Sequence[Sequence[float]] = ()
) -> Box:
    """Return the box of a window of (width, height) px in a picture of some size.

    Args:
        size: (width, height) px of the picture.
        window: At most as large.
        preferred: Left and top of the window, were there no boxes.
        boxes: (left, top, right, bottom) px of what must not be cut, the most important first.
    """
    left = offset(size[0], window[0], preferred[0], [(box[0], box[2]) for box in boxes])
    top = offset(size[1], window[1], preferred[1], [(box[1], box[3]) for box in boxes])
    return left, top, left + window[0], top + window[1]


def num_whole(window: Sequence[float], boxes: Iterable[Sequence[float]]) -> int:
    """Return how many boxes lie whole within a window, (left, top, right, bottom) px."""
    left, top, right, bottom = window
    return sum(
        left <= box[0] and top <= box[1] and box[2] <= right and box[3] <= bottom for box in boxes
    )
