"""The three shots of a person: the whole figure, the upper body, the face; each with its word.

Sides are told in heads, as drawing books do: a grown figure is six to eight heads tall, its waist
a little more than one below its chin.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prep.framing.people import Person
from prep.framing.ratios import clipped, inside
from prep.images.placement import Box, Size

FULL_BODY, COWBOY, UPPER_BODY = "full body", "cowboy shot", "upper body"
PORTRAIT, CLOSE_UP = "portrait", "close-up"
FRAMINGS = (FULL_BODY, COWBOY, UPPER_BODY, PORTRAIT, CLOSE_UP)

_AIR = 0.03  # of a figure's larger side, around it
# Heads below the chin at which a figure that is cut off shows feet, thighs, chest.
_FEET, _THIGHS, _CHEST = 5.0, 2.2, 0.8
_LEAST_WHOLE = 0.7  # heads below the chin of a figure that ends there: even a doll has a body
_ABOVE, _WAIST, _SHOULDERS = 0.2, 1.2, 2.6  # heads: over the head, below the chin, across
_HAT = 0.6  # heads over the head that a figure begins: hair and hats belong to it
_OTHER = 0.8  # a shot is made where it shows at most so much of the one before
_CLOSE = 1.5  # a face crop of less than so many faces is a close-up
_RISE = 0.1  # of a face's height, by which its crop lies higher: hair is a part of it


@dataclass(frozen=True)
class Shot:
    """One crop of a person.

    Attributes:
        name: What its key has: figure, upper or face.
        framing: One of FRAMINGS: what it shows.
        box: (left, top, right, bottom) px.
    """

    name: str
    framing: str
    box: Box
    person: Person


def stages(person: Person, size: Size, face_scale: float) -> Iterator[Shot]:
    """Yield the shots of a person that differ: the whole figure, the upper body, the face."""
    air = _AIR * max(person.figure[2] - person.figure[0], person.figure[3] - person.figure[1])
    left, top, right, bottom = person.figure
    whole = clipped((left - air, top - air, right + air, bottom + air), (0, 0, *size))
    framing = framing_of(person)
    shown = _area(whole)
    if framing in (FULL_BODY, COWBOY, UPPER_BODY):
        yield Shot("figure" if framing != UPPER_BODY else "upper", framing, whole, person)
    if framing in (FULL_BODY, COWBOY):
        upper = _upper(person, whole)
        if _area(upper) <= _OTHER * shown:
            yield Shot("upper", UPPER_BODY, upper, person)
            shown = _area(upper)
    face = face_shot(person, size, 1.0, face_scale)
    if framing in (PORTRAIT, CLOSE_UP) or _area(face.box) <= _OTHER * shown:
        yield face


def face_shot(person: Person, size: Size, ratio: float, scale: float) -> Shot:
    """Return the crop of a face, `scale` times as large as it, moved into the picture."""
    left, top, right, bottom = person.face
    width, height = right - left, bottom - top
    side = scale * max(width, height)
    across, down = (side, side / ratio) if ratio < 1 else (side * ratio, side)
    x, y = (left + right) / 2, (top + bottom) / 2 - _RISE * height
    room = min(1.0, size[0] / across, size[1] / down)
    across, down = across * room, down * room
    box = inside((x - across / 2, y - down / 2, x + across / 2, y + down / 2), size)
    return Shot("face", CLOSE_UP if scale < _CLOSE else PORTRAIT, box, person)


def framing_of(person: Person) -> str:
    """Return how much is seen of a person, in the words of boorus."""
    below = (person.figure[3] - person.head[3]) / person.height
    if below >= _FEET or (person.ends and below >= _LEAST_WHOLE):
        return FULL_BODY
    if below >= _THIGHS:
        return COWBOY
    return UPPER_BODY if below >= _CHEST else PORTRAIT


def _upper(person: Person, whole: Box) -> Box:
    """Return the box from over the head to the waist, as wide as shoulders, within the figure's."""
    head, height = person.head, person.height
    top, bottom = head[1] - _ABOVE * height, head[3] + _WAIST * height
    if head[1] - person.figure[1] < _HAT * height:
        top = min(top, whole[1])
    width = max(_SHOULDERS * (head[2] - head[0]), min(whole[2] - whole[0], bottom - top))
    x = (head[0] + head[2]) / 2
    width = min(width, whole[2] - whole[0])
    left = min(max(x - width / 2, whole[0]), whole[2] - width)
    return clipped((left, top, left + width, bottom), whole)


def _area(box: Sequence[int]) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])
