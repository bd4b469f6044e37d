"""What a mascot wears: hats and accessories, each drawn in the mascot's units, large and bold."""

from collections.abc import Callable

from tinyworld.pen import INK, Pen, arc, mixed
from tinyworld.world import RGB

LEAF: RGB = (92, 190, 84)
GOLD: RGB = (255, 200, 60)
RED: RGB = (222, 60, 76)
NAVY: RGB = (52, 62, 140)
PINK: RGB = (244, 104, 172)
DARK: RGB = (58, 52, 72)
WHITE: RGB = (255, 255, 255)


def draw_hat(pen: Pen, hat: str, top: float) -> None:
    """Draw a hat on a head whose highest point is `top` units above the middle."""
    _HATS[hat](pen, top)


def draw_accessory(pen: Pen, accessory: str, across: float) -> None:
    """Draw an accessory on a body `across` units wide to each side."""
    _ACCESSORIES[accessory](pen, across)


def _sprout(pen: Pen, top: float) -> None:
    pen.stroke([(0, -top + 0.05), (0.02, -top - 0.3)], 0.12, mixed(LEAF, INK, 0.35))
    for side in (-1, 1):
        tip = (side * 0.68, -top - 0.62)
        upper = [(side * 0.16, -top - 0.66), (side * 0.4, -top - 0.78), tip]
        lower = [(side * 0.54, -top - 0.32), (side * 0.24, -top - 0.2)]
        pen.shape([(0, -top - 0.3), *upper, *lower], LEAF, 0.07)


def _crown(pen: Pen, top: float) -> None:
    low, high = -top + 0.14, -top - 0.52
    points = [(-0.56, low), (-0.66, high), (-0.28, high + 0.3), (0, high - 0.12)]
    pen.shape([*points, (0.28, high + 0.3), (0.66, high), (0.56, low)], GOLD, 0.07)
    pen.oval((0, low - 0.2), (0.13, 0.13), RED, 0.04)


def _party_hat(pen: Pen, top: float) -> None:
    low = -top + 0.14
    pen.shape([(-0.52, low), (0, -top - 0.78), (0.52, low), (0, low + 0.1)], PINK, 0.07)
    pen.stroke([(-0.3, -top - 0.2), (0.3, -top - 0.2)], 0.14, WHITE)
    pen.oval((0, -top - 0.76), (0.17, 0.17), WHITE)


def _top_hat(pen: Pen, top: float) -> None:
    low = -top + 0.1
    pen.shape([(-0.5, low), (-0.56, low - 0.72), (0.56, low - 0.72), (0.5, low)], DARK, 0.07)
    pen.shape([(-0.5, low - 0.1), (-0.52, low - 0.28), (0.52, low - 0.28), (0.5, low - 0.1)], RED)
    pen.oval((0, low), (0.86, 0.13), DARK, 0.07)


def _scarf(pen: Pen, across: float) -> None:
    wide = across * 0.95
    upper = arc((0, 0.26), (wide, 0.3), (180, 0))
    lower = arc((0, 0.5), (wide * 0.95, 0.36), (0, 180))
    tail = [(0.26, 0.62), (0.64, 0.56), (0.78, 1.14), (0.38, 1.2)]
    pen.shape(tail, mixed(RED, INK, 0.15), 0.06)
    pen.shape([*upper, *lower], RED, 0.06)
    for x in (-0.55, -0.1, 0.35):
        pen.stroke([(x, 0.64), (x + 0.08, 0.74)], 0.13, WHITE)


def _bowtie(pen: Pen, _: float) -> None:
    for side in (-1, 1):
        pen.shape([(0, 0.52), (side * 0.6, 0.22), (side * 0.6, 0.84)], NAVY, 0.06)
    pen.oval((0, 0.53), (0.16, 0.18), mixed(NAVY, WHITE, 0.3))


def _sunglasses(pen: Pen, across: float) -> None:
    pen.stroke([(-across * 0.74, -0.3), (across * 0.74, -0.3)], 0.09)
    for side in (-1, 1):
        lens = [(side * 0.06, -0.36), (side * 0.68, -0.36), (side * 0.6, 0.04), (side * 0.16, 0.04)]
        pen.shape(lens, DARK, 0.08)
        pen.stroke([(side * 0.36 + 0.06, -0.26), (side * 0.36 - 0.04, -0.1)], 0.08, WHITE)


def _flower(pen: Pen, _: float) -> None:
    x, y = 0.0, 0.56
    for dx, dy in ((0, -0.26), (0.25, -0.08), (0.16, 0.22), (-0.16, 0.22), (-0.25, -0.08)):
        pen.oval((x + dx, y + dy), (0.19, 0.19), WHITE, 0.05)
    pen.oval((x, y), (0.17, 0.17), GOLD, 0.05)


_HATS: dict[str, Callable[[Pen, float], None]] = {
    "sprout": _sprout,
    "crown": _crown,
    "party_hat": _party_hat,
    "top_hat": _top_hat,
}
_ACCESSORIES: dict[str, Callable[[Pen, float], None]] = {
    "scarf": _scarf,
    "bowtie": _bowtie,
    "sunglasses": _sunglasses,
    "flower": _flower,
}
