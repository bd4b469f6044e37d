"""Who is in a picture, worked out from what detectors found: a head each, and a figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prep.framing.ratios import clipped
from prep.images.placement import Box, Size

Found = Sequence[Mapping[str, Any]]

# A face's box -> the head's, in sides of the face: hair above, ears; boxes go below the chin.
_HAIR, _EARS, _CHIN = 0.3, 0.15, -0.1
# A figure where no detector drew one, in sides of the head: arms to both sides.
_ARMS, _ABOVE = 2.4, 0.2
_CLEAR = 0.01  # of the picture's height; less below a figure, and it goes on out of the picture


@dataclass(frozen=True)
class Person:
    """One person in a picture.

    Attributes:
        face: (left, top, right, bottom) px of the face, else of the head.
        head: The head with its hair.
        figure: All that is seen of them.
        ends: Whether the figure ends within the picture, above its lower edge.
        detector: Who found the face or head.
    """

    face: Box
    head: Box
    figure: Box
    ends: bool
    detector: str

    @property
    def height(self) -> int:
        """The height of the head, px."""
        return self.head[3] - self.head[1]


def people(found: Found, size: Size, content: Box) -> list[Person]:
    """Return the persons whose face or head was found, the largest first.

    Args:
        found: What detectors found in the picture.
        size: Its (width, height) px.
        content: What of it is no border: a single figure on plain ground is all of that.
    """
    heads = [one for one in found if one["kind"] == "head"]
    faces = [one for one in found if one["kind"] == "face"]
    alone = [one for one in heads if not any(_middle_in(face, one) for face in faces)]
    bodies = [one for one in found if one["kind"] in ("person", "half body")]
    each: list[tuple[Mapping[str, Any], Box]] = []
    for face in faces:
        around = next((tuple(one["box"]) for one in heads if _middle_in(face, one)), None)
        each.append((face, clipped(around or _with_hair(face["box"]), (0, 0, *size))))
    each += [(one, clipped(one["box"], (0, 0, *size))) for one in alone]
    only = len(each) == 1 and content != (0, 0, *size)
    made = []
    for one, head in each:
        figure, drawn = _figure(head, bodies, content, only=only)
        seen = clipped(_union(figure, head), (0, 0, *size))
        ends = drawn and size[1] - seen[3] > _CLEAR * size[1]
        made.append(Person(clipped(one["box"], (0, 0, *size)), head, seen, ends, one["detector"]))
    return made


def must_stay(found: Found, size: Size) -> list[Box]:
    """Return the boxes that no crop should cut, the largest first: faces, then heads without."""
    faces = [one for one in found if one["kind"] == "face"]
    heads = [one for one in found if one["kind"] == "head"]
    alone = [one for one in heads if not any(_middle_in(face, one) for face in faces)]
    return [clipped(one["box"], (0, 0, *size)) for one in (*faces, *alone)]


def _figure(head: Box, bodies: Found, content: Box, *, only: bool) -> tuple[Sequence[float], bool]:
    """Return what is seen of the person of a head, and whether that is known, not worked out.

    Args:
        bodies: Persons and half bodies that detectors found.
        content: What of the picture is no border.
        only: Whether all of that is this one person.
    """
    own = [body for body in bodies if _middle_in({"box": head}, body)]
    whole = [body for body in own if body["kind"] == "person"] or own
    if whole:
        return min((tuple(body["box"]) for body in whole), key=_area), True
    if only:
        return content, True
    middle, width = (head[0] + head[2]) / 2, head[2] - head[0]
    top = head[1] - _ABOVE * (head[3] - head[1])
    return (middle - _ARMS * width, top, middle + _ARMS * width, content[3]), False


def _with_hair(face: Sequence[float]) -> tuple[float, float, float, float]:
    width, height = face[2] - face[0], face[3] - face[1]
    across = _EARS * width
    return (
        face[0] - across,
        face[1] - _HAIR * height,
        face[2] + across,
        face[3] + _CHIN * height,
    )


def _middle_in(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    left, top, right, bottom = one["box"]
    x, y = (left + right) / 2, (top + bottom) / 2
    box = other["box"]
    return bool(box[0] <= x <= box[2] and box[1] <= y <= box[3])


def _union(one: Sequence[float], other: Sequence[float]) -> tuple[float, float, float, float]:
    return (
        min(one[0], other[0]),
        min(one[1], other[1]),
        max(one[2], other[2]),
        max(one[3], other[3]),
    )


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
