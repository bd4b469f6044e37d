"""Line plots as SVG within a page: two axes, a legend, colours of the page's light and dark. Pure.

Style is in `page.css`: nothing here names a colour.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from prep.pages.markup import Markup, element

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 720, 260  # of the drawing; a page scales it
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 62, 12, 34
_MOST = 600  # points of a line: more than one a pixel shows nothing more
_TICKS = 5


@dataclass(frozen=True)
class PlotLine:
    """One line of a plot.

    Attributes:
        points: (x, y), x rising; a y that is no finite number is left out.
        right: Whether its numbers stand at the right.
        faint: Whether it is drawn thin, behind another one that tells more.
        dots: Whether each point is marked: there are few.
    """

    name: str
    points: Points
    right: bool = False
    faint: bool = False
    dots: bool = False


def plot(lines: Sequence[PlotLine], below: str, told: str) -> Markup:
    """Return a plot of some lines, with its legend below it.

    Args:
        below: What x is.
        told: The plot in words, for who does not see it.
    """
    drawn = [(number, one, _thinned(one.points)) for number, one in enumerate(lines)]
    drawn = [row for row in drawn if row[2]]
    if not drawn:
        return element("p", "Nothing to draw yet.", class_="quiet")
    xs = [x for _, _, points in drawn for x, _ in points]
    across = _Scale(min(xs), max(xs), _LEFT, _WIDTH - _RIGHT)
    inner = [*_bottom(across, below)]
    for right in (False, True):
        own = [row for row in drawn if row[1].right is right]
        if own:
            upwards = _upwards([y for _, _, points in own for _, y in points])
            inner += _side(upwards, right, grid=not right or not inner)
            inner += [_line(row, across, upwards) for row in own]
    view = f"0 0 {_WIDTH} {_HEIGHT}"
    picture = element("svg", *inner, viewBox=view, role="img", aria_label=told, class_="plot")
    return element("figure", picture, element("figcaption", *map(_legend, drawn)))


@dataclass(frozen=True)
class _Scale:
    """Numbers from `low` to `high` as places from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
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


def _upwards(values: Sequence[float]) -> _Scale:
    low, high = min(values), max(values)
    low = 0.0 if 0 <= low < 0.5 * high else low
    if low == high:
        low, high = low - (abs(low) or 1) * 0.1, high + (abs(high) or 1) * 0.1
    return _Scale(low, high + (high - low) * 0.04, _HEIGHT - _BOTTOM, _TOP)


def _thinned(points: Points) -> list[tuple[float, float]]:
    """Return the points, of too many the means of those that lie together."""
    good = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    size = -(-len(good) // _MOST)
    if size < 2:
        return good
    parts = [good[n : n + size] for n in range(0, len(good), size)]
    return [(fmean(x for x, _ in part), fmean(y for _, y in part)) for part in parts]


def _bottom(across: _Scale, below: str) -> list[Markup]:
    floor = _HEIGHT - _BOTTOM
    inner = [element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=floor, y2=floor, class_="axis")]
    for value in across.ticks():
        at = across.at(value)
        inner.append(element("text", number(value), x=at, y=floor + 16, text_anchor="middle"))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    inner.append(element("text", below, x=middle, y=_HEIGHT - 4, text_anchor="middle"))
    return inner


def _side(upwards: _Scale, right: bool, grid: bool) -> list[Markup]:
    inner: list[Markup] = []
    x, anchor = (_WIDTH - _RIGHT + 6, "start") if right else (_LEFT - 6, "end")
    for value in upwards.ticks():
        y = upwards.at(value)
        if grid:
            inner.append(
                element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid-line")
            )
        inner.append(element("text", number(value), x=x, y=y + 4, text_anchor=anchor))
    return inner


def _line(row: tuple[int, PlotLine, Points], across: _Scale, upwards: _Scale) -> Markup:
    nth, line, points = row
    places = [(across.at(x), upwards.at(y)) for x, y in points]
    faint = " faint" if line.faint else ""
    drawn = [element("polyline", points=" ".join(f"{x},{y}" for x, y in places), class_="line")]
    if line.dots or len(places) == 1:
        drawn += [element("circle", cx=x, cy=y, r=3) for x, y in places]
    return element("g", *drawn, class_=f"series s{nth % 6}{faint}")


def _legend(row: tuple[int, PlotLine, Points]) -> Markup:
    nth, line, _ = row
    mark = element("span", class_=f"mark s{nth % 6}", aria_hidden="true")
    return element("span", mark, line.name + (" (right)" if line.right else ""), class_="legend")


def number(value: float) -> str:
    """Return a number as short as an axis needs it."""
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}"
    return f"{value:.4g}"
