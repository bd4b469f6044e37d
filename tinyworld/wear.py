"""What a mascot wears: hats and accessories, each drawn in the mascot's units."""

from collections.abc import Callable

from tinyworld.pen import INK, Pen, arc, mixed
from tinyworld.world import RGB

LEAF: RGB = (104, 190, 92)
GOLD: RGB = (255, 205, 70)
RED: RGB = (222, 68, 82)
BLUE: RGB = (72, 128, 222)
WHITE: RGB = (255, 255, 255)


def draw_hat(pen: Pen, hat: str, top: float) -> None:
    """Draw a hat on a head whose highest point is `top` units above the middle."""
    if hat != "none":
        _HATS[hat](pen, top)


def draw_accessory(pen: Pen, accessory: str, across: float) -> None:
    """Draw an accessory on a body `across` units wide to each side."""
    if accessory != "none":
        _ACCESSORIES[accessory](pen, across)


def _sprout(pen: Pen, top: float) -> None:
    pen.stroke(
        [(0, -top + 0.05), (0.02, -top - 0.2), (0, -top - 0.36)], 0.08, mixed(LEAF, INK, 0.35)
    )
    for side in (-1, 1):
        tip = (side * 0.62, -top - 0.66)
        upper = [(side * 0.14, -top - 0.66), (side * 0.36, -top - 0.8), tip]
        lower = [(side * 0.5, -top - 0.42), (side * 0.22, -top - 0.32)]
        pen.shape([(0, -top - 0.36), *upper, *lower], LEAF)
        pen.stroke(
            [(side * 0.12, -top - 0.44), (side * 0.42, -top - 0.58)], 0.03, mixed(LEAF, INK, 0.3)
        )


def _crown(pen: Pen, top: float) -> None:
    low, high = -top + 0.12, -top - 0.5
    points = [(-0.55, low), (-0.62, high), (-0.28, high + 0.28), (0, high - 0.1)]
    pen.shape([*points, (0.28, high + 0.28), (0.62, high), (0.55, low)], GOLD)
    for x, y in ((-0.62, high), (0, high - 0.1), (0.62, high)):
        pen.oval((x, y), (0.08, 0.08), RED, 0.04)
    pen.oval((0, low - 0.17), (0.1, 0.1), BLUE, 0.04)


def _party_hat(pen: Pen, top: float) -> None:
    low = -top + 0.12
    pen.shape([(-0.48, low), (0, -top - 0.85), (0.48, low), (0, low + 0.1)], (240, 110, 170))
    for x, y in ((-0.16, -0.12), (0.14, -0.26), (-0.02, -0.5), (0.2, 0.0)):
        pen.oval((x, -top + y), (0.07, 0.07), (255, 240, 150), 0)
    pen.oval((0, -top - 0.87), (0.15, 0.15), WHITE)


def _beret(pen: Pen, top: float) -> None:
    pen.stroke([(0.1, -top - 0.25), (0.16, -top - 0.45)], 0.09)
    pen.shape(arc((0.1, -top + 0.08), (0.78, 0.4), (170, 372)), RED)
    pen.stroke(
        [(-0.62, -top + 0.16), (-0.2, -top + 0.04), (0.4, -top + 0.06), (0.8, -top + 0.2)], 0.12
    )


def _scarf(pen: Pen, across: float) -> None:
    wide = across * 0.93
    upper = arc((0, 0.28), (wide, 0.32), (180, 0))
    lower = arc((0, 0.5), (wide * 0.94, 0.36), (0, 180))
    tail = [(0.3, 0.66), (0.62, 0.6), (0.74, 1.12), (0.4, 1.16)]
    pen.shape(tail, mixed(BLUE, INK, 0.15))
    for x in (0.5, 0.6, 0.7):
        pen.stroke([(x - 0.04, 1.1), (x - 0.03, 1.22)], 0.04)
    pen.shape([*upper, *lower], BLUE)
    for x in (-0.55, -0.15, 0.25):
        pen.stroke([(x, 0.66), (x + 0.1, 0.78)], 0.07, WHITE)


def _glasses(pen: Pen, across: float) -> None:
    pen.stroke([(-across * 0.95, -0.22), (-0.55, -0.18)], 0.06)
    pen.stroke([(across * 0.95, -0.22), (0.55, -0.18)], 0.06)
    pen.stroke([(-0.1, -0.18), (0.1, -0.18)], 0.06)
    for side in (-1, 1):
        pen.stroke(arc((side * 0.34, -0.16), (0.26, 0.27), (0, 360)), 0.07)


def _bowtie(pen: Pen, _: float) -> None:
    for side in (-1, 1):
        pen.shape([(0, 0.5), (side * 0.42, 0.28), (side * 0.42, 0.74)], RED)
    pen.oval((0, 0.5), (0.12, 0.13), mixed(RED, INK, 0.25))


def _flower(pen: Pen, across: float) -> None:
    x, y = across * 0.62, -0.66
    for dx, dy in ((0, -0.17), (0.16, -0.05), (0.1, 0.14), (-0.1, 0.14), (-0.16, -0.05)):
        pen.oval((x + dx, y + dy), (0.13, 0.13), WHITE, 0.035)
    pen.oval((x, y), (0.1, 0.1), GOLD, 0.035)


_HATS: dict[str, Callable[[Pen, float], None]] = {
    "sprout": _sprout,
    "crown": _crown,
    "party_hat": _party_hat,
    "beret": _beret,
}
_ACCESSORIES: dict[str, Callable[[Pen, float], None]] = {
    "scarf": _scarf,
    "glasses": _glasses,
    "bowtie": _bowtie,
    "flower": _flower,
}
