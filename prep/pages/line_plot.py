"""Line plots as SVG within a page: two axes, a legend, colours of the page's light and dark. Pure.

Style is in `page.css`: nothing here names a colour.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from prep.pages import plot_axes
from prep.pages.markup import Markup, element
from prep.pages.plot_axes import Scale, bottom_axis, side_axis

Points = Sequence[tuple[float, float]]

_MOST = 600  # points of a line: more than one a pixel shows nothing more


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
    across = plot_axes.across(min(xs), max(xs))
    inner = [*bottom_axis(across, below)]
    for right in (False, True):
        own = [row for row in drawn if row[1].right is right]
        if own:
            upwards = _upwards([y for _, _, points in own for _, y in points])
            inner += side_axis(upwards, right, grid=not right or not inner)
            inner += [_line(row, across, upwards) for row in own]
    return plot_axes.figure(inner, told, [_legend(row) for row in drawn])


def _upwards(values: Sequence[float]) -> Scale:
    low, high = min(values), max(values)
    low = 0.0 if 0 <= low < 0.5 * high else low
    if low == high:
        low, high = low - (abs(low) or 1) * 0.1, high + (abs(high) or 1) * 0.1
    return plot_axes.upwards(low, high + (high - low) * 0.04)


def _thinned(points: Points) -> list[tuple[float, float]]:
    """Return the points, of too many the means of those that lie together."""
    good = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    size = -(-len(good) // _MOST)
    if size < 2:
        return good
    parts = [good[n : n + size] for n in range(0, len(good), size)]
    return [(fmean(x for x, _ in part), fmean(y for _, y in part)) for part in parts]


def _line(row: tuple[int, PlotLine, Points], across: Scale, upwards: Scale) -> Markup:
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
