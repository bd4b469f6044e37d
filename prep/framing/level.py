"""By how much a picture is turned so that eyes are level, and the box that stays within it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from prep.framing.ratios import inside
from prep.images.placement import Box, Size

_LEAST, _MOST = 1.0, 30.0  # degrees; less is not seen, more is no pair of eyes
_UPPER = 0.65  # eyes lie in this part of a face, from its top
_APART = 0.2  # of a face's width, at least, from eye to eye


def lean(face: Sequence[float], found: Sequence[Mapping[str, Any]]) -> float:
    """Return by how many degrees, against the clock, a face is turned so that its eyes are level.

    0 where not exactly two eyes were found in it, or they are level, or too far from it.

    Args:
        face: (left, top, right, bottom) px.
        found: What detectors found in the picture; those of kind `eye` count.
    """
    eyes = [_middle(one["box"]) for one in found if one["kind"] == "eye"]
    low = face[1] + _UPPER * (face[3] - face[1])
    own = [(x, y) for x, y in eyes if face[0] <= x <= face[2] and face[1] <= y <= low]
    if len(own) != 2:
        return 0.0
    (x, y), (x2, y2) = sorted(own)
    if x2 - x < _APART * (face[2] - face[0]):
        return 0.0
    degrees = math.degrees(math.atan2(y2 - y, x2 - x))
    return round(degrees, 2) if _LEAST <= abs(degrees) <= _MOST else 0.0


def turned_within(box: Box, degrees: float, size: Size) -> Box:
    """Return a box around the same middle, as large as can be, that shows no corner outside.

    It keeps its ratio. Turned by `degrees` about its middle it lies within the picture.
    """
    angle = math.radians(degrees)
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    width, height = box[2] - box[0], box[3] - box[1]
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    across, down = width * cos + height * sin, width * sin + height * cos
    room = 2 * min(x, size[0] - x) / across, 2 * min(y, size[1] - y) / down
    share = min(1.0, *room)
    half = max(1, math.floor(width * share)) / 2, max(1, math.floor(height * share)) / 2
    return inside((x - half[0], y - half[1], x + half[0], y + half[1]), size)


def _middle(box: Sequence[float]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
