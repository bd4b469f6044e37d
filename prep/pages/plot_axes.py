"""The axes of a plot within a page, as SVG: numbers to places, round ticks, lines. Pure.

Style is in `page.css`: nothing here names a colour.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from prep.pages.markup import Markup, element

WIDTH, _HEIGHT = 720, 260  # of the drawing; a page scales it
LEFT, RIGHT, _TOP, _BOTTOM = 72, 62, 12, 34  # what is left free around it
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


def across(low: float, high: float) -> Scale:
    """Return the scale from the left to the right of a plot."""
    return Scale(low, high, LEFT, WIDTH - RIGHT)


def upwards(low: float, high: float) -> Scale:
    """Return the scale from the bottom to the top of a plot."""
    return Scale(low, high, _HEIGHT - _BOTTOM, _TOP)


def figure(inner: Sequence[Markup], told: str, caption: Sequence[Markup]) -> Markup:
    """Return a plot of what is drawn in it, with what stands below.

    Args:
        told: The plot in words, for who does not see it.
    """
    view = f"0 0 {WIDTH} {_HEIGHT}"
    drawn = element("svg", *inner, viewBox=view, role="img", aria_label=told, class_="plot")
    return element("figure", drawn, element("figcaption", *caption))


def bottom_axis(scale: Scale, below: str) -> list[Markup]:
    """Return the axis below a plot, with its numbers and what they are."""
    floor = _HEIGHT - _BOTTOM
    inner = [element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=floor, y2=floor, class_="axis")]
    for value in scale.ticks():
        at = scale.at(value)
        inner.append(element("text", number(value), x=at, y=floor + 16, text_anchor="middle"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    inner.append(element("text", below, x=middle, y=_HEIGHT - 4, text_anchor="middle"))
    return inner


def side_axis(scale: Scale, right: bool, grid: bool) -> list[Markup]:
    """Return the numbers at a side of a plot, and lines across it where `grid` is set."""
    inner: list[Markup] = []
    x, anchor = (WIDTH - RIGHT + 6, "start") if right else (LEFT - 6, "end")
    for value in scale.ticks():
        y = scale.at(value)
        if grid:
            inner.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid-line"))
        inner.append(element("text", number(value), x=x, y=y + 4, text_anchor=anchor))
    return inner


def number(value: float) -> str:
    """Return a number as short as an axis needs it."""
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}"
    return f"{value:.4g}"
