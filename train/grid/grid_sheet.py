"""The pictures of a grid as one PNG, labelled; smaller where all of them would be too large."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from train.grid.grid_plan import GridPlan
from train.samples.drawer import png
from train.samples.grid import grid

if TYPE_CHECKING:
    from PIL import Image

_MOST_PIXELS = 80_000_000  # of the whole: programs open it, and a person scrolls it


def sheet(plan: GridPlan) -> bytes:
    """Return a grid as the bytes of a PNG file; white where there is no picture."""
    from PIL import Image

    share = shrunk_to(plan, _MOST_PIXELS)
    pictures = [
        picture_of(path, share) or Image.new("RGB", _size(row.width, row.height, share), "white")
        for row, paths in zip(plan.rows, plan.paths, strict=True)
        for path in paths
    ]
    several = len({row.sampler for row in plan.rows}) > 1
    labels = [
        (
            f"{row.text} / not: {row.negative}" if row.negative else row.text,
            f"seed {row.seed}" + (f", {row.sampler}" if several else ""),
        )
        for row in plan.rows
    ]
    shown = plan.shown(next(one for one in plan.columns if one.export))
    strengths = [one.strength or 0.0 for one in plan.columns]
    drawn = grid([one.title for one in plan.columns], labels, pictures)
    return png(drawn, shown.text(plan.rows[0], strengths))


def shrunk_to(plan: GridPlan, most: int) -> float:
    """Return what sides are multiplied by, at most 1, so that all cells have so many pixels."""
    row = max(plan.rows, key=lambda one: one.width * one.height)
    pixels = row.width * row.height * len(plan.rows) * len(plan.columns)
    return min(1.0, math.sqrt(most / pixels))


def picture_of(path: Path, share: float = 1.0) -> "Image.Image | None":
    """Return the picture of a cell as RGB, its sides times `share`; None where there is none."""
    from PIL import Image

    try:
        with Image.open(path) as found:
            picture = found.convert("RGB")
    except (OSError, ValueError):
        return None
    if share == 1:
        return picture
    return picture.resize(_size(*picture.size, share), Image.Resampling.LANCZOS)


def _size(width: int, height: int, share: float) -> tuple[int, int]:
    return max(1, round(width * share)), max(1, round(height * share))


def each_size(plan: GridPlan) -> Iterator[tuple[int, int]]:
    """Yield each size of pictures once, (width, height) px."""
    yield from dict.fromkeys((row.width, row.height) for row in plan.rows)
