"""The axes of a plot within a page, as SVG: numbers to places, round ticks, lines. Pure.

Style is in `page.css`: nothing here names a colour.
"""

import math
from dataclasses import dataclass

from prep.pages.markup import Markup, element

WIDTH, HEIGHT = 720, 260  # of the drawing; a page scales it
LEFT, RIGHT, TOP, BOTTOM = 72, 62, 12, 34  # what is left free around it
_TICKS = 5


@dataclass(frozen=True)
class Scale:
    """Numbers from `low` to `high` as places from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the place of a number."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Return round numbers between the ends, about five."""
        width = (self.high - self.low) / _TICKS
        if width <= 0:
            return [self.low]
        unit = 10.0 ** math.floor(math.log10(width))
        step = unit * next(one for one in (1, 2, 5, 10) if one * unit >= width * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def bottom_axis(across: Scale, below: str) -> list[Markup]:
    """Return the axis below a plot, with its numbers and what they are."""
    floor = HEIGHT - BOTTOM
    inner = [element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=floor, y2=floor, class_="axis")]
    for value in across.ticks():
        at = across.at(value)
        inner.append(element("text", number(value), x=at, y=floor + 16, text_anchor="middle"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    inner.append(element("text", below, x=middle, y=HEIGHT - 4, text_anchor="middle"))
    return inner


def side_axis(upwards: Scale, right: bool, grid: bool) -> list[Markup]:
    """Return the numbers at a side of a plot, and lines across it where `grid` is set."""
    inner: list[Markup] = []
    x, anchor = (WIDTH - RIGHT + 6, "start") if right else (LEFT - 6, "end")
    for value in upwards.ticks():
        y = upwards.at(value)
        if grid:
            inner.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid-line"))
        inner.append(element("text", number(value), x=x, y=y + 4, text_anchor=anchor))
    return inner


def number(value: float) -> str:
    """Return a number as short as an axis needs it."""
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}"
    return f"{value:.4g}"
