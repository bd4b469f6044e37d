"""The plot of a recommendation: an SVG picture, complete in itself. Pure."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from prep.pages.plot_axes import number

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 760, 360, 56, 28, 210, 40
_BESIDE = 58  # px between the axis at the right and what lines are called
_TICKS = 4
_COLOURS = ("#0b6e4f", "#1f5fbf", "#b3261e", "#8a6d00", "#6b3fa0", "#444444")

_HEAD = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
    'font-family="sans-serif" font-size="12" role="img">'
)
_DASHES = 'stroke-dasharray="4 3"'


class ScaledLine(NamedTuple):
    """A line of the plot.

    Attributes:
        values: One a step, None where nothing is known.
        scale: The values at the bottom and at the top; None where no value is known.
        right: Whether the numbers of its scale stand at the right.
    """

    name: str
    values: Sequence[float | None]
    scale: tuple[float, float] | None
    right: bool = False


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
    for right in (False, True):
        parts += _numbers(next((one.scale for one in lines if one.right is right), None), right)
    for nth, line in enumerate(lines):
        parts += _line(line, across, nth, chosen)
    return "\n".join([*parts, "</svg>", ""])


def _numbers(scale: tuple[float, float] | None, right: bool) -> list[str]:
    """Return the numbers of an axis, from the bottom to the top."""
    if scale is None:
        return []
    low, high = scale
    x, anchor = (_WIDTH - _RIGHT + 6, "start") if right else (_LEFT - 6, "end")
    bottom, tall, found = _HEIGHT - _BOTTOM, _HEIGHT - _BOTTOM - _TOP, []
    for nth in range(_TICKS + 1):
        y, told = bottom - tall * nth / _TICKS + 4, number(low + (high - low) * nth / _TICKS)
        place = f'x="{x}" y="{y:.0f}" text-anchor="{anchor}"'
        found.append(f'<text {place} fill="#444444">{told}</text>')
    return found


def _line(line: ScaledLine, across: Sequence[float], nth: int, chosen: int) -> list[str]:
    if line.scale is None or not any(value is not None for value in line.values):
        return []
    low, high = line.scale
    bottom, tall = _HEIGHT - _BOTTOM, _HEIGHT - _BOTTOM - _TOP
    points = [
        (x, bottom - tall * ((value - low) / (high - low) if high > low else 0.5))
        for x, value in zip(across, line.values, strict=True)
        if value is not None
    ]
    colour = _COLOURS[nth % len(_COLOURS)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    there = line.values[chosen]
    told = line.name if there is None else f"{line.name}: {there:.3g}"
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    line_of = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    place = f'x="{_WIDTH - _RIGHT + _BESIDE}" y="{_TOP + 14 + 18 * nth}"'
    return [line_of, *dots, f'<text {place} fill="{colour}">{escape(told)}</text>']
