"""Points and bars as SVG within a page: two numbers of many things, or how many there are. Pure."""

from collections import Counter
from collections.abc import Sequence

from prep.pages import plot_axes
from prep.pages.line_plot import Points
from prep.pages.markup import Markup, element
from prep.pages.plot_axes import LEFT, RIGHT, WIDTH, bottom_axis, side_axis

_LEAST, _MOST = 2.5, 9.0  # radius of a point
_WIDEST = 80  # px of a bar
_STEPS = 120  # places along each axis: what lies closer is one larger point


def points(found: Points, across: str, upwards: str, told: str) -> Markup:
    """Return a plot of points; the more things lie in one place, the larger its point.

    Args:
        found: (x, y) of each, 0 or more.
        across: What x is; `upwards` is y.
        told: The plot in words, for who does not see it.
    """
    if not found:
        return element("p", "Nothing to draw yet.", class_="quiet")
    most = max(max(pair) for pair in found) * 1.04
    right, up = plot_axes.across(0.0, most), plot_axes.upwards(0.0, most)
    places = Counter((_near(right.at(x)), _near(up.at(y))) for x, y in found)
    largest = max(places.values())
    dots = [
        element(
            "circle", cx=x, cy=y, r=round(_LEAST + (_MOST - _LEAST) * _share(count, largest), 1)
        )
        for (x, y), count in sorted(places.items(), key=lambda item: -item[1])
    ]
    inner = [*bottom_axis(right, across), *side_axis(up, right=False, grid=True)]
    return _framed([*inner, element("g", *dots, class_="series s0 points")], told, upwards)


def bars(found: Sequence[tuple[str, int]], below: str, told: str) -> Markup:
    """Return a bar for each name, as high as its number."""
    if not found:
        return element("p", "Nothing to draw yet.", class_="quiet")
    up = plot_axes.upwards(0.0, max(count for _, count in found) * 1.04)
    wide = min(_WIDEST, (WIDTH - RIGHT - LEFT) / len(found))
    inner = side_axis(up, right=False, grid=True)
    every = -(-len(found) // 12)  # names that find room
    for place, (name, count) in enumerate(found):
        left, top = round(LEFT + place * wide, 1), up.at(count)
        high, middle = round(up.start - top, 1), round(left + wide / 2, 1)
        bar = element("rect", x=left + 1, y=top, width=round(wide - 2, 1), height=high)
        inner.append(element("g", bar, class_="series s0 bars"))
        if place % every == 0:
            inner.append(element("text", name, x=middle, y=up.start + 16, text_anchor="middle"))
    return _framed(inner, told, below)


def _framed(inner: Sequence[Markup], told: str, caption: str) -> Markup:
    return plot_axes.figure(inner, told, [element("span", caption, class_="quiet")])


def _near(place: float) -> float:
    step = WIDTH / _STEPS
    return round(round(place / step) * step, 1)


def _share(count: int, largest: int) -> float:
    return ((count - 1) / (largest - 1)) ** 0.5 if largest > 1 else 0.3
