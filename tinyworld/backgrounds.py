"""Where a mascot stands: backgrounds in px, filled from edge to edge."""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from tinyworld.pen import arc, mixed
from tinyworld.world import RGB, WHITE_PAPER

if TYPE_CHECKING:
    from PIL import ImageDraw

Canvas: TypeAlias = "ImageDraw.ImageDraw"
Size = tuple[int, int]
WHITE: RGB = (255, 255, 255)


def draw_background(canvas: Canvas, size: Size, background: str, dice: random.Random) -> None:
    """Fill a canvas of `size` (width, height in px); `dice` places clouds, stars and the like."""
    _BACKGROUNDS[background](canvas, size, dice)


def _sky(canvas: Canvas, size: Size, top: RGB, bottom: RGB) -> None:
    width, height = size
    for y in range(height):
        canvas.line((0, y, width, y), fill=mixed(top, bottom, y / height))


def _hill(canvas: Canvas, size: Size, place: tuple[float, float, float], colour: RGB) -> None:
    """Draw a hill whose top is at (x, y) and whose radius is r, as shares of the picture."""
    width, height = size
    x, y, r = place[0] * width, place[1] * height, place[2] * max(size)
    canvas.ellipse((x - r, y, x + r, y + 2 * r), fill=colour)


def _cloud(canvas: Canvas, x: float, y: float, r: float) -> None:
    for dx, dy, share in ((-1.1, 0.1, 0.7), (0, -0.25, 1.0), (1.1, 0.1, 0.75)):
        box = (x + dx * r - share * r, y + dy * r - share * r * 0.7)
        canvas.ellipse((*box, box[0] + 2 * share * r, box[1] + 1.4 * share * r), fill=WHITE)


def _clouds(canvas: Canvas, size: Size, dice: random.Random) -> None:
    width, height = size
    for n in range(2):
        x = (n + dice.random()) / 2 * width
        _cloud(canvas, x, dice.uniform(0.08, 0.3) * height, dice.uniform(0.07, 0.1) * min(size))


def _dots(
    canvas: Canvas,
    dice: random.Random,
    box: tuple[float, ...],
    look: tuple[int, float, int, int, int],
) -> None:
    """Scatter dots in box (left, top, right, bottom) px; look: count, radius in px, colour."""
    count, largest, red, green, blue = look
    for _ in range(count):
        x, y = dice.uniform(box[0], box[2]), dice.uniform(box[1], box[3])
        r = dice.uniform(0.6, 1.0) * largest
        canvas.ellipse((x - r, y - r, x + r, y + r), fill=(red, green, blue))


def _meadow(canvas: Canvas, size: Size, dice: random.Random) -> None:
    width, height = size
    _sky(canvas, size, (138, 204, 250), (226, 244, 255))
    r, x = 0.1 * min(size), dice.choice((0.15, 0.85)) * width
    canvas.ellipse((x - r, 0.14 * height - r, x + r, 0.14 * height + r), fill=(255, 226, 120))
    _hill(canvas, size, (dice.uniform(0.0, 0.3), 0.55, 0.75), (160, 216, 130))
    _hill(canvas, size, (dice.uniform(0.7, 1.0), 0.6, 0.8), (138, 204, 112))
    canvas.rectangle((0, 0.74 * height, width, height), fill=(120, 190, 98))
    ground, r = (0, 0.78 * height, width, height), 0.024 * min(size)
    _dots(canvas, dice, ground, (7, r, 255, 255, 255))


def _night(canvas: Canvas, size: Size, dice: random.Random) -> None:
    width, height = size
    _sky(canvas, size, (28, 32, 84), (92, 82, 156))
    _dots(canvas, dice, (0, 0, width, 0.7 * height), (12, 0.02 * min(size), 255, 250, 214))
    moon, x, y = 0.12 * min(size), dice.choice((0.17, 0.83)) * width, 0.16 * height
    inner = arc((x + 0.45 * moon, y - 0.2 * moon), (0.8 * moon, 0.8 * moon), (280, 94))
    canvas.polygon([*arc((x, y), (moon, moon), (33, 303)), *inner], fill=(255, 242, 186))
    _hill(canvas, size, (dice.uniform(0.1, 0.9), 0.68, 0.7), (50, 64, 104))
    canvas.rectangle((0, 0.78 * height, width, height), fill=(42, 54, 88))


def _beach(canvas: Canvas, size: Size, dice: random.Random) -> None:
    width, height = size
    _sky(canvas, size, (110, 200, 246), (240, 250, 255))
    _clouds(canvas, size, dice)
    canvas.rectangle((0, 0.5 * height, width, height), fill=(50, 150, 210))
    shore = dice.uniform(-0.15, 0.15)
    left, right = (shore - 0.4) * width, (shore + 1.4) * width
    canvas.ellipse((left, 0.66 * height, right, 1.6 * height), fill=(244, 250, 250))
    canvas.ellipse((left, 0.7 * height, right, 1.6 * height), fill=(250, 222, 168))


def _snow(canvas: Canvas, size: Size, dice: random.Random) -> None:
    width, height = size
    _sky(canvas, size, (160, 186, 220), (226, 236, 246))
    for n in range(3):
        x, base, tall = (n + dice.random()) / 3 * width, 0.76 * height, 0.4 * height
        for share, half in ((1.0, 0.08), (0.66, 0.12)):
            tip, spread = base - share * tall, half * min(size)
            points = [(x, tip), (x - spread, tip + 0.6 * tall), (x + spread, tip + 0.6 * tall)]
            canvas.polygon(points, fill=(72, 128, 116))
    canvas.ellipse((-0.3 * width, 0.66 * height, 1.3 * width, 1.5 * height), fill=(250, 252, 255))
    _dots(canvas, dice, (0, 0, width, 0.95 * height), (14, 0.026 * min(size), 255, 255, 255))


def _studio(canvas: Canvas, size: Size, dice: random.Random) -> None:
    width, height = size
    wall = dice.choice(((255, 214, 196), (206, 230, 212), (222, 212, 246)))
    canvas.rectangle((0, 0, width, height), fill=wall)
    stripe = width // 4
    for x in range(round(dice.uniform(-1, 0) * stripe), width, 2 * stripe):
        canvas.rectangle((x, 0, x + stripe, height), fill=mixed(wall, WHITE, 0.45))
    canvas.rectangle((0, 0.76 * height, width, height), fill=mixed(wall, (150, 110, 90), 0.55))


def _white(canvas: Canvas, size: Size, _: random.Random) -> None:
    canvas.rectangle((0, 0, *size), fill=WHITE)


_BACKGROUNDS: dict[str, Callable[[Canvas, Size, random.Random], None]] = {
    "meadow": _meadow,
    "night": _night,
    "beach": _beach,
    "snow": _snow,
    "studio": _studio,
    WHITE_PAPER: _white,
}
