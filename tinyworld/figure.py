"""The mascot itself: limbs, body and face, by its look and its pose."""

from collections.abc import Callable

from tinyworld.pen import INK, Pen, Point, arc, mixed
from tinyworld.wear import draw_accessory, draw_hat
from tinyworld.world import COLOURS, RGB, Look

WHITE: RGB = (255, 255, 255)
BLUSH: RGB = (255, 112, 130)
MOUTH: RGB = (150, 52, 74)

# Half width and half height of each body, in units.
BODY_RADII: dict[str, Point] = {"round": (1.0, 0.95), "square": (0.92, 0.9), "pear": (1.12, 1.02)}

# Hands (left, right) and feet (left, right) of each pose.
_HANDS: dict[str, tuple[Point, Point]] = {
    "standing": ((-1.22, 0.55), (1.22, 0.55)),
    "waving": ((-1.22, 0.55), (1.36, -0.62)),
    "cheering": ((-1.3, -0.7), (1.3, -0.7)),
    "jumping": ((-1.38, -0.35), (1.38, -0.35)),
}
_FEET: dict[str, tuple[Point, Point]] = {
    "standing": ((-0.42, 1.08), (0.42, 1.08)),
    "waving": ((-0.42, 1.08), (0.42, 1.08)),
    "cheering": ((-0.5, 1.08), (0.5, 1.08)),
    "jumping": ((-0.56, 0.98), (0.5, 1.08)),
}
LAUGHING = ("cheering", "jumping")


def draw_figure(pen: Pen, look: Look, pose: str) -> None:
    """Draw a mascot around the pen's origin, from the back to the front."""
    colour = COLOURS[look.colour]
    across, down = BODY_RADII[look.body]
    for x, y in _FEET[pose]:
        pen.oval((x, y - (0.95 - down)), (0.3, 0.19), mixed(colour, INK, 0.25))
    for hand, side in zip(_HANDS[pose], (-1, 1), strict=True):
        elbow = (side * (across + 0.12), (hand[1] + 0.3) / 2)
        pen.limb([(side * (across - 0.15), 0.25), elbow, hand], 0.24, colour)
    pen.shape(_OUTLINES[look.body](across, down), colour, 0.07)
    pen.oval((0, 0.48 * down), (across * 0.58, down * 0.4), mixed(colour, WHITE, 0.35), 0)
    _draw_face(pen, laughing=pose in LAUGHING)
    draw_hat(pen, look.hat, down)
    draw_accessory(pen, look.accessory, across)


def _draw_face(pen: Pen, laughing: bool) -> None:
    for side in (-1, 1):
        eye = (side * 0.34, -0.2)
        pen.oval((side * 0.62, 0.08), (0.16, 0.1), mixed(BLUSH, WHITE, 0.15), 0)
        if laughing:
            pen.stroke(arc((eye[0], eye[1] + 0.06), (0.16, 0.18), (200, 340)), 0.085)
        else:
            pen.oval(eye, (0.15, 0.2), INK, 0)
            pen.oval((eye[0] + 0.045, eye[1] - 0.07), (0.065, 0.075), WHITE, 0)
    if laughing:
        pen.shape(arc((0, 0.02), (0.2, 0.22), (0, 180)), MOUTH, 0.05)
    else:
        pen.stroke(arc((0, -0.02), (0.16, 0.15), (20, 160)), 0.07)


def _round_body(across: float, down: float) -> list[Point]:
    return arc((0, 0), (across, down), (0, 360))


def _pear_body(across: float, down: float) -> list[Point]:
    """Return an oval with a narrow head and a wide belly."""
    return [(x * (0.8 + 0.32 * y / down), y) for x, y in _round_body(across, down)]


def _square_body(across: float, down: float) -> list[Point]:
    """Return a square with round corners."""
    corner = 0.25
    x, y = across - corner, down - corner
    corners = (((x, y), 0), ((-x, y), 90), ((-x, -y), 180), ((x, -y), 270))
    return [
        point
        for middle, first in corners
        for point in arc(middle, (corner, corner), (first, first + 90))
    ]


_OUTLINES: dict[str, Callable[[float, float], list[Point]]] = {
    "round": _round_body,
    "square": _square_body,
    "pear": _pear_body,
}
