"""A part of a picture, wherever and however large the picture is shown."""

from typing import NamedTuple


class Area(NamedTuple):
    """(left, top, right, bottom), as parts of a picture's width and height."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """How much of the picture's width it spans."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """How much of the picture's height it spans."""
        return self.bottom - self.top

    def mirrored(self) -> "Area":
        """Return where it lies once the picture is mirrored left to right."""
        return Area(1 - self.right, self.top, 1 - self.left, self.bottom)

    def within(self, frame: "Area") -> "Area":
        """Return where it lies in a picture of which `frame` is what it is a part of."""
        return moved(self, ALL, frame)

    def pixels(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return it in px of a picture of a (width, height): within it, at least 1 px."""
        width, height = size
        left, top = max(0, round(self.left * width)), max(0, round(self.top * height))
        left, top = min(left, width - 1), min(top, height - 1)
        right, bottom = (
            min(width, round(self.right * width)),
            min(height, round(self.bottom * height)),
        )
        return left, top, max(left + 1, right), max(top + 1, bottom)


ALL = Area(0, 0, 1, 1)


def moved(area: Area, one: Area, other: Area) -> Area:
    """Return what an area becomes where one area becomes another one."""
    across, down = other.width / one.width, other.height / one.height
    return Area(
        other.left + (area.left - one.left) * across,
        other.top + (area.top - one.top) * down,
        other.left + (area.right - one.left) * across,
        other.top + (area.bottom - one.top) * down,
    )
