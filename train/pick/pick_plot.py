"""The plot of a recommendation: an SVG picture, complete in itself. Pure."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 720, 360, 56, 28, 150, 40
_COLOURS = ("#0b6e4f", "#1f5fbf", "#b3261e", "#8a6d00", "#6b3fa0", "#444444")

_HEAD = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
    'font-family="sans-serif" font-size="12" role="img">'
)
_DASHES = 'stroke-dasharray="4 3"'


class ScaledLine(NamedTuple):
    """A line of the plot.

    Attributes:
        values: One a step, None where nothing is known; each line fills the height by itself
            unless `scale` says from where to where.
    """

    name: str
    values: Sequence[float | None]
    scale: tuple[float, float] | None = None


def plot(title: str, steps: Sequence[int], lines: Sequence[ScaledLine], chosen: int) -> str:
    """Return the plot of lines over the steps of exports, with the recommended one marked.

    Beside it stands what each line is there.
    """
    last = max(max(steps), 1)
    across = [_LEFT + (_WIDTH - _LEFT - _RIGHT) * step / last for step in steps]
    bottom = _HEIGHT - _BOTTOM
    parts = [
        _HEAD,
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="18" fill="#222222">{escape(title)}</text>',
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH - _RIGHT}" fill="none" stroke="#888888"/>',
        f'<path d="M{across[chosen]:.1f} {_TOP}V{bottom}" stroke="#222222" {_DASHES}/>',
    ]
    for x, step in zip(across, steps, strict=True):
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{step}</text>')
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 6}" fill="#444444">step</text>')
    for number, line in enumerate(lines):
        parts += _line(line, across, number, chosen)
    return "\n".join([*parts, "</svg>", ""])


def _line(line: ScaledLine, across: Sequence[float], number: int, chosen: int) -> list[str]:
    known = [value for value in line.values if value is not None]
    if not known:
        return []
    low, high = line.scale or (min(known), max(known))
    bottom, tall = _HEIGHT - _BOTTOM, _HEIGHT - _BOTTOM - _TOP
    points = [
        (x, bottom - tall * ((value - low) / (high - low) if high > low else 0.5))
        for x, value in zip(across, line.values, strict=True)
        if value is not None
    ]
    colour = _COLOURS[number % len(_COLOURS)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    there = line.values[chosen]
    told = line.name if there is None else f"{line.name}: {there:.3g}"
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    line_of = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    place = f'x="{_WIDTH - _RIGHT + 8}" y="{_TOP + 14 + 18 * number}"'
    return [line_of, *dots, f'<text {place} fill="{colour}">{escape(told)}</text>']
