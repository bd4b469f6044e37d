"""Aspect ratios: as a person writes them, the one that loses least, and boxes of a ratio."""

from collections.abc import Iterable, Sequence

from prep.images.placement import Box, Size
from prep.runtime.errors import ConfigError

_LEAST, _MOST = 0.01, 100.0


def ratios_of(text: str) -> tuple[float, ...]:
    """Return the ratios, width / height, that a person lists: `3:4, 1, 16:9`.

    Raises:
        ConfigError: One is no ratio from 0.01 to 100.
    """
    return tuple(_ratio(word.strip()) for word in text.split(",") if word.strip())


def _ratio(word: str) -> float:
    across, colon, down = word.partition(":")
    try:
        found = float(across) / float(down) if colon else float(across)
    except (ValueError, ZeroDivisionError):
        found = 0.0
    if not _LEAST <= found <= _MOST:
        raise ConfigError(
            f"`ratios` has `{word}`, which is no aspect ratio",
            "write width:height or a number from 0.01 to 100, as in `3:4, 1, 16:9`",
        )
    return found


def largest(size: Size, ratio: float) -> Size:
    """Return (width, height) px of the largest box of a ratio that a picture holds."""
    width, height = size
    across = max(1, min(width, round(height * ratio)))
    down = max(1, min(height, round(width / ratio)))
    return across, down


def least_loss(size: Size, ratios: Iterable[float]) -> float:
    """Return the ratio whose largest box loses least of a picture; of equals the first."""
    return min(ratios, key=lambda ratio: -_area(largest(size, ratio)))


def grown(box: Sequence[float], ratio: float, size: Size) -> Box:
    """Return the smallest box of a ratio that holds a box, as far as the picture has room for it.

    Around the box's middle, moved into the picture. Where the picture is too small for it, the box
    is cut: at the bottom, as what is at the top matters more.
    """
    width, height = box[2] - box[0], box[3] - box[1]
    across, down = max(width, height * ratio), max(height, width / ratio)
    room_across, room_down = largest(size, ratio)
    across, down = min(round(across), room_across), min(round(down), room_down)
    left = (box[0] + box[2] - across) / 2
    top = box[1] if down < height else (box[1] + box[3] - down) / 2
    return inside((left, top, left + across, top + down), size)


def inside(box: Sequence[float], size: Size) -> Box:
    """Return a box in whole px, moved into the picture, or cut where it is larger."""
    width = max(1, min(size[0], round(box[2] - box[0])))
    height = max(1, min(size[1], round(box[3] - box[1])))
    left = min(max(0, round(box[0])), size[0] - width)
    top = min(max(0, round(box[1])), size[1] - height)
    return left, top, left + width, top + height


def clipped(box: Sequence[float], bounds: Sequence[int]) -> Box:
    """Return the part of a box within another one, in whole px; at least one px."""
    left, top = max(bounds[0], round(box[0])), max(bounds[1], round(box[1]))
    right, bottom = min(bounds[2], round(box[2])), min(bounds[3], round(box[3]))
    return left, top, max(left + 1, right), max(top + 1, bottom)


def _area(size: Size) -> int:
    return size[0] * size[1]
