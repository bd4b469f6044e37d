"""A scene -> a picture. Pure: the same seed and scene give the same pixels."""

import math
import random
from typing import TYPE_CHECKING

from tinyworld.backgrounds import draw_background
from tinyworld.figure import draw_figure
from tinyworld.pen import Pen, Point
from tinyworld.world import Scene

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

# Drawn this much larger, then made smaller: smooth edges.
_FINE = 3

# For each framing, in units: how much of the mascot is seen (across, down), and the height of the
# lower edge. Where a picture is taller than that, more sky is seen above.
_FRAMES: dict[str, tuple[Point, float]] = {
    "full_body": ((3.1, 3.45), 1.5),
    "upper_body": ((2.6, 2.8), 0.95),
    "face": ((2.15, 2.2), 0.82),
}
_GROUND = 1.22
_FACE = (-0.8, -0.5, 0.8, 0.4)  # of every mascot, in units


def draw(scene: Scene, seed: int) -> "Image.Image":
    """Return the picture of a scene: RGB, of the scene's size.

    `seed` decides what the scene leaves open: a small tilt, clouds, stars.
    """
    from PIL import Image, ImageDraw

    width, height = scene.size
    large = Image.new("RGB", (width * _FINE, height * _FINE))
    dice = random.Random(f"background:{seed}")
    draw_background(ImageDraw.Draw(large), large.size, scene.background, dice)
    figure = _figure(scene, seed, shadow=True)
    large.paste(figure, (0, 0), figure)
    return large.resize(scene.size, Image.Resampling.BOX)


def cut_out(scene: Scene, seed: int) -> "Image.Image":
    """Return the mascot alone, RGBA, with wild colours where alpha is 0.

    Drawing programs leave such colours behind; whoever drops the alpha channel sees them.
    """
    from PIL import Image

    figure = _figure(scene, seed, shadow=False).resize(scene.size, Image.Resampling.BOX)
    noise = random.Random(f"wild:{seed}").randbytes(scene.size[0] * scene.size[1] * 3)
    wild = Image.frombytes("RGB", scene.size, noise).convert("RGBA")
    wild.putalpha(0)
    seen = figure.getchannel("A").point(lambda alpha: 255 if alpha else 0)
    return Image.composite(figure, wild, seen)


def face_box(scene: Scene, seed: int) -> tuple[float, float, float, float]:
    """Return where the face lies in the picture of a scene: left, top, right, bottom px."""
    from PIL import Image, ImageDraw

    pen, _ = _pen(ImageDraw.Draw(Image.new("L", (1, 1))), scene, seed)
    corners = [pen.place((x, y)) for x in _FACE[::2] for y in _FACE[1::2]]
    across, down = zip(*corners, strict=True)
    left, top, right, bottom = (
        side / _FINE for side in (min(across), min(down), max(across), max(down))
    )
    return left, top, right, bottom


def _figure(scene: Scene, seed: int, shadow: bool) -> "Image.Image":
    """Return the mascot on nothing, RGBA, `_FINE` times the scene's size."""
    from PIL import Image, ImageDraw

    width, height = (side * _FINE for side in scene.size)
    image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    canvas = ImageDraw.Draw(image)
    pen, origin = _pen(canvas, scene, seed)
    if shadow:
        _shadow(canvas, origin, pen.scale, narrow=scene.pose == "jumping")
    draw_figure(pen, scene.look, scene.pose)
    return image


def _pen(canvas: "ImageDraw.ImageDraw", scene: Scene, seed: int) -> tuple[Pen, Point]:
    """Return what draws the mascot of a scene, and the point that it stands over."""
    dice = random.Random(f"figure:{seed}")
    width, height = (side * _FINE for side in scene.size)
    (across, down), low = _FRAMES[scene.framing]
    scale = min(width / across, height / down) * dice.uniform(0.9, 1.0)
    shift = dice.uniform(-0.5, 0.5) * max(0.0, width / scale - across) * 0.8
    raised = dice.uniform(0.0, 1.0) * max(0.0, height / scale - down) * 0.3
    origin = (width / 2 + shift * scale, height - (low + raised) * scale)
    lift = 0.28 * scale if scene.pose == "jumping" else 0.0
    tilt = math.radians(dice.uniform(-6, 6))
    return Pen(canvas, scale, (origin[0], origin[1] - lift), tilt), origin


def _shadow(canvas: "ImageDraw.ImageDraw", origin: Point, scale: float, narrow: bool) -> None:
    x, y = origin[0], origin[1] + _GROUND * scale
    across, down = (0.7 if narrow else 1.0) * scale, 0.14 * scale
    canvas.ellipse((x - across, y - down, x + across, y + down), fill=(30, 24, 50, 70))
