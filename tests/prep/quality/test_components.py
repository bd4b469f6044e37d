"""Connected areas, against a search from pixel to pixel."""

import numpy as np
import pytest

from prep.quality.components import components, connected


@pytest.mark.parametrize("full", [0.0, 0.1, 0.35, 0.6, 1.0])
def test_areas_are_those_that_a_search_finds(full: float) -> None:
    """Boxes, sizes and means are those of a flood fill with eight neighbours."""
    dice = np.random.default_rng(int(100 * full))
    mask, plane = dice.random((41, 57)) < full, dice.random((41, 57))
    found = components(mask, plane)

    wanted = sorted(flooded(mask, plane))
    each = zip(found.boxes.tolist(), found.sizes.tolist(), found.means.round(9), strict=True)
    assert sorted((tuple(box), size, mean) for box, size, mean in each) == wanted


def flooded(mask: np.ndarray, plane: np.ndarray) -> list[tuple[tuple[int, ...], int, float]]:
    """Return box, size and mean of each area, found one pixel after the other."""
    left, areas = {(int(y), int(x)) for y, x in np.argwhere(mask)}, []
    while left:
        area, waiting = [], [left.pop()]
        while waiting:
            y, x = waiting.pop()
            area.append((y, x))
            near = {(y + down, x + across) for down in (-1, 0, 1) for across in (-1, 0, 1)} & left
            left -= near
            waiting += near
        rows, columns = zip(*area, strict=True)
        box = (min(columns), min(rows), max(columns) + 1, max(rows) + 1)
        areas.append((box, len(area), round(float(np.mean([plane[at] for at in area])), 9)))
    return areas


def test_things_are_connected_over_others() -> None:
    """A chain of pairs is one group, whatever their order; a thing without a pair is its own."""
    ones, others = np.array([5, 1, 3, 3]), np.array([3, 7, 4, 1])

    assert connected(8, ones, others).tolist() == [0, 1, 2, 1, 1, 1, 3, 1]
