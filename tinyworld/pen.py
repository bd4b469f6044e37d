"""Draw in the mascot's own units: smooth outlined shapes, turned and scaled as one.

The origin is the middle of the body, whose radius is about 1; x grows to the right, y down.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import ImageDraw

from tinyworld.world import RGB

Point = tuple[float, float]

INK: RGB = (62, 48, 66)
_DEGREES = 8  # between two points of an arc: more would make a thick outline bristle


@dataclass(frozen=True)
class Pen:
    """Draws on a picture.

    Attributes:
        scale: px per unit.
        origin: Where (0, 0) lies, in px.
        tilt: Clockwise turn about the origin, in radians.
    """

    canvas: "ImageDraw.ImageDraw"
    scale: float
    origin: Point
    tilt: float = 0.0

    def place(self, point: Point) -> Point:
        """Return where a point of the mascot lies in the picture, in px."""
        x, y = point
        cos, sin = math.cos(self.tilt), math.sin(self.tilt)
        left, top = self.origin
        return (left + self.scale * (x * cos - y * sin), top + self.scale * (x * sin + y * cos))

    def shape(self, points: Sequence[Point], fill: RGB, line: float = 0.05) -> None:
        """Fill a closed shape and draw its outline, `line` units wide; 0 draws none."""
        placed = [self.place(point) for point in points]
        self.canvas.polygon(placed, fill=fill)
        if line:
            width = max(1, round(line * self.scale))
            self.canvas.line([*placed, *placed[:2]], fill=INK, width=width, joint="curve")

    def oval(self, middle: Point, radii: Point, fill: RGB, line: float = 0.05) -> None:
        """Fill an oval that lies along the mascot's own axes."""
        self.shape(arc(middle, radii, (0.0, 360.0)), fill, line)

    def stroke(self, points: Sequence[Point], width: float, colour: RGB = INK) -> None:
        """Draw a line with round ends, `width` units wide."""
        placed = [self.place(point) for point in points]
        self.canvas.line(
            placed, fill=colour, width=max(1, round(width * self.scale)), joint="curve"
        )
        for x, y in (placed[0], placed[-1]):
            end = width * self.scale / 2
            self.canvas.ellipse((x - end, y - end, x + end, y + end), fill=colour)

    def limb(self, points: Sequence[Point], width: float, colour: RGB) -> None:
        """Draw an arm or a leg: a stroke with an outline."""
        self.stroke(points, width + 0.1)
        self.stroke(points, width, colour)


def arc(middle: Point, radii: Point, degrees: Point) -> list[Point]:
    """Return points along an oval from one angle to another; 0 is right, 90 is down."""
    (x, y), (across, down), (first, last) = middle, radii, degrees
    steps = max(4, round(abs(last - first) / _DEGREES))
    angles = (math.radians(first + (last - first) * n / steps) for n in range(steps + 1))
    return [(x + across * math.cos(angle), y + down * math.sin(angle)) for angle in angles]


def mixed(colour: RGB, other: RGB, share: float) -> RGB:
    """Return `colour` with `share` (0 to 1) of `other` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return (red, green, blue)
