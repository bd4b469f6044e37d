"""Where a part of a picture is found in another one."""

import numpy as np
import pytest

from prep.likeness.alignment import Plate, aligned
from prep.likeness.area import ALL, Area
from tests.prep.likeness import changed
from tests.prep.likeness.changed import drawn


@pytest.mark.parametrize("box", [(10, 6, 470, 350), (48, 36, 432, 324), (0, 40, 400, 360)])
def test_a_part_is_found(box: tuple[int, int, int, int]) -> None:
    """From a guess that is 3 % off, the place is found to 1.5 px, whatever differs within."""
    image = drawn()
    expected = Area(box[0] / 480, box[1] / 360, box[2] / 480, box[3] / 360)
    guess = Area(*(edge + 0.03 for edge in expected))
    found = aligned(Plate(changed.dressed(image).crop(box)), ALL, Plate(image), guess)

    assert found is not None
    assert np.abs(np.subtract(found, expected)).max() <= 1.5 / 360


def test_another_picture_is_found_nowhere() -> None:
    """What has nothing in common is not aligned."""
    assert aligned(Plate(drawn(1)), ALL, Plate(drawn()), ALL) is None
