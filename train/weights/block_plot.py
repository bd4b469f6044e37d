"""How strong the blocks of files are, drawn as bars: an SVG picture, made of text alone."""

from collections.abc import Sequence
from html import escape
from math import isfinite

from train.weights.block_strengths import BlockStrength

_FILL = 'fill="#4477aa"'
_ROW, _LEFT, _BAR, _RIGHT, _TOP = 18, 90, 420, 110, 30


def svg(title: str, rows: Sequence[BlockStrength]) -> str:
    """Return a picture of a bar for each block, the longest as long as there is room.

    Args:
        title: What stands above them.
    """
    most = max((row.strength for row in rows if isfinite(row.strength)), default=0.0) or 1.0
    width, height = _LEFT + _BAR + _RIGHT, _TOP + _ROW * len(rows) + 8
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
        "<style>text { font: 12px sans-serif }</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="8" y="19">{escape(title)}</text>',
    ]
    for number, row in enumerate(rows):
        top = _TOP + _ROW * number
        share = row.strength / most if isfinite(row.strength) else 0.0
        end = _LEFT + share * _BAR
        lines += [
            f'<text x="{_LEFT - 8}" y="{top + 13}" text-anchor="end">{escape(row.block)}</text>',
            f'<rect x="{_LEFT}" y="{top + 2}" width="{end - _LEFT:.1f}" height="14" {_FILL}/>',
            f'<text x="{end + 6:.1f}" y="{top + 13}">{row.strength:.4g}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
