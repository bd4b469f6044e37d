"""What is cut out of a picture, by what a person asks for and what is known of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from prep.framing import level, people, ratios, saliency, shots, trim
from prep.framing.focus import CENTRE, SUBJECT
from prep.framing.people import Found, Person
from prep.images import pixel_steps
from prep.images.pixel_steps import PixelStep
from prep.images.placement import Box, Size, placed

if TYPE_CHECKING:
    from PIL import Image

_BOX_PX = 8  # sides of a crop box of a person are at least this


@dataclass(frozen=True)
class Crop:
    """One crop of a picture.

    Attributes:
        name: Part of its key.
        box: (left, top, right, bottom) px, before any turn.
        degrees: By which the picture is turned about the box's middle; 0: not.
        framing: What it shows of a person; empty for a crop that is not cut for that.
        detector: Who found what it is cut by; empty for none.
    """

    name: str
    box: Box
    degrees: float = 0.0
    framing: str = ""
    detector: str = ""

    def size(self) -> Size:
        """Return its (width, height) px."""
        return self.box[2] - self.box[0], self.box[3] - self.box[1]

    def steps(self, size: Size) -> tuple[PixelStep, ...]:
        """Return what is done to the picture, to end at (width, height) px."""
        turn = PixelStep(pixel_steps.TURN, (*self.box, self.degrees))
        first = turn if self.degrees else PixelStep(pixel_steps.CUT, self.box)
        return (first,) if size == self.size() else (first, PixelStep(pixel_steps.SIZE, size))


@dataclass(frozen=True)
class Seen:
    """What is known of a picture.

    Attributes:
        size: (width, height) px.
        small: The picture, perhaps made smaller; None where nobody needs it.
        found: What detectors found in it, largest first.
    """

    size: Size
    small: "Image.Image | None"
    found: Found

    @cached_property
    def content(self) -> Box:
        """What of it is no border."""
        return trim.content(self.small, self.size) if self.small else (0, 0, *self.size)

    @cached_property
    def people(self) -> list[Person]:
        """Who is in it, the largest first."""
        return people.people(self.found, self.size, self.content) if self.found else []


def persons_box(words: str, size: Size) -> Box | str:
    """Return the box that a person wrote, `left,top,right,bottom` px, or what is wrong with it."""
    try:
        left, top, right, bottom = (int(word) for word in words.split(","))
    except ValueError:
        return f"its crop box `{words}` is not four numbers: left,top,right,bottom"
    across = left >= 0 and left + _BOX_PX <= right <= size[0]
    if not (across and top >= 0 and top + _BOX_PX <= bottom <= size[1]):
        return f"its crop box `{words}` is no part of {size[0]}x{size[1]} px"
    return left, top, right, bottom


def of_picture(seen: Seen, wanted: Sequence[float], focus: str, *, trimmed: bool) -> Crop:
    """Return the largest crop of the ratio that loses least, placed by a focus.

    Args:
        seen: The picture.
        wanted: Ratios, width / height.
        focus: centre, saliency or subject.
        trimmed: Whether plain borders are no part of the picture.
    """
    bounds = seen.content if trimmed else (0, 0, *seen.size)
    left, top = bounds[:2]
    size = bounds[2] - left, bounds[3] - top
    window = ratios.largest(size, ratios.least_loss(size, wanted))
    central = (size[0] - window[0]) / 2, (size[1] - window[1]) / 2
    if focus == CENTRE or window == size:
        place = placed(size, window, central)
        return Crop("crop", _moved(place, left, top))
    found = [_moved(box, -left, -top) for box in people.must_stay(seen.found, seen.size)]
    figures = [_moved(one.figure, -left, -top) for one in seen.people]
    if focus == SUBJECT and figures:
        around = _around(figures)
        central = (around[0] + around[2] - window[0]) / 2, (around[1] + around[3] - window[1]) / 2
        detector = seen.people[0].detector
        return Crop(
            "crop", _moved(placed(size, window, central, found), left, top), 0.0, "", detector
        )
    if seen.small is not None:
        central = saliency.window_at(_part(seen, bounds), size, window)
    return Crop("crop", _moved(placed(size, window, central), left, top))


def of_faces(seen: Seen, wanted: Sequence[float], scale: float) -> Iterator[Crop]:
    """Yield a crop of each face, or head without one, the largest first."""
    for number, person in enumerate(seen.people):
        square = (person.face[2] - person.face[0], person.face[3] - person.face[1])
        ratio = ratios.least_loss(square, wanted)
        yield _of_shot(shots.face_shot(person, seen.size, ratio, scale), number)


def of_stages(seen: Seen, wanted: Sequence[float], scale: float) -> Iterator[Crop]:
    """Yield the whole figure, the upper body and the face of each person, the largest first.

    Args:
        wanted: Ratios that the crops are made wider or taller for; empty: they stay as they are.
    """
    for number, person in enumerate(seen.people):
        for shot in shots.stages(person, seen.size, scale):
            crop = _of_shot(shot, number)
            if wanted:
                ratio = ratios.least_loss(crop.size(), wanted)
                box = ratios.grown(crop.box, ratio, seen.size)
                crop = Crop(crop.name, box, 0.0, crop.framing, crop.detector)
            yield crop


def levelled(crop: Crop, seen: Seen) -> Crop:
    """Return a crop turned so that the eyes of the largest face in it are level.

    It is as it was where no detector found both eyes of that face.
    """
    faces = [person.face for person in seen.people if _holds(crop.box, person.face)]
    degrees = level.lean(faces[0], seen.found) if faces else 0.0
    if not degrees:
        return crop
    box = level.turned_within(crop.box, degrees, seen.size)
    return Crop(crop.name, box, degrees, crop.framing, crop.detector)


def _of_shot(shot: shots.Shot, number: int) -> Crop:
    name = f"{shot.name}{number + 1}" if number else shot.name
    return Crop(name, shot.box, 0.0, shot.framing, shot.person.detector)


def _part(seen: Seen, bounds: Box) -> "Image.Image":
    """Return what is seen of a part of a picture."""
    small = seen.small
    assert small is not None  # noqa: S101 - for mypy: whoever calls has looked
    across, down = small.width / seen.size[0], small.height / seen.size[1]
    box = bounds[0] * across, bounds[1] * down, bounds[2] * across, bounds[3] * down
    return small.crop((round(box[0]), round(box[1]), round(box[2]), round(box[3])))


def _around(boxes: Sequence[Box]) -> Box:
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)


def _moved(box: Box, across: int, down: int) -> Box:
    return box[0] + across, box[1] + down, box[2] + across, box[3] + down


def _holds(box: Box, face: Box) -> bool:
    x, y = (face[0] + face[2]) / 2, (face[1] + face[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]
