"""Random variants of a picture as pixel steps, computed from a seed and from nothing else."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from prep.images.pixel_steps import BACKGROUND, CUT, LIGHT, MIRROR, TURN, PixelStep
from prep.runtime.errors import ConfigError

RANDOM, GRADIENT = "random", "gradient"
_STOPS, _WARMTH, _COLOUR = 1.0, 0.25, 0.6  # by which the most that may be asked for moves
_FEWEST = 0.05  # degrees, less of which is no turn

Colour = tuple[int, int, int]
Size = tuple[int, int]


@dataclass(frozen=True)
class VariationLimits:
    """How far a variant may be from its picture.

    Attributes:
        zoom: The largest part of each side that it loses.
        turn: Degrees, either way.
        colour: 0 to 1, how far light and colours move.
        mirror: Whether every other one is mirrored.
        background: RANDOM, GRADIENT, or colours of which each gets one; empty: white stays.
    """

    zoom: float
    turn: float
    colour: float
    mirror: bool
    background: str | tuple[Colour, ...]


@dataclass(frozen=True)
class DerivedVariant:
    """A variant: its steps, what of the picture it shows, and whether it is mirrored."""

    steps: tuple[PixelStep, ...]
    box: tuple[int, int, int, int]
    flip: bool


def variant(size: Size, seed: int, wish: VariationLimits) -> DerivedVariant:
    """Return the variant that a seed stands for, of a picture of (width, height) px."""
    dice = random.Random(seed)  # noqa: S311 - no secret; Python keeps its numbers over versions
    turn = round(dice.uniform(-wish.turn, wish.turn), 2)
    turn = turn if abs(turn) >= _FEWEST else 0.0
    box = _box(size, dice, 1 - dice.uniform(0, wish.zoom), turn)
    flip = dice.random() < 0.5 and wish.mirror
    light = tuple(
        round(dice.uniform(-most, most) * wish.colour, 3) for most in (_STOPS, _WARMTH, _COLOUR)
    )
    steps = [PixelStep(TURN, (*box, turn)) if turn else PixelStep(CUT, box)]
    if behind := _background(dice, wish.background):
        steps.insert(0, PixelStep(BACKGROUND, behind))
    if flip:
        steps.append(PixelStep(MIRROR))
    if any(light):
        steps.append(PixelStep(LIGHT, (light[0], light[1], round(1 + light[2], 3))))
    return DerivedVariant(tuple(steps), box, flip)


def backgrounds(words: str) -> str | tuple[Colour, ...]:
    """Return what a person asked for as background: RANDOM, GRADIENT, or some colours.

    Raises:
        ConfigError: A word is no colour.
    """
    from PIL import ImageColor

    if words in ("", RANDOM, GRADIENT):
        return words
    colours = []
    for word in words.split(","):
        try:
            red, green, blue = ImageColor.getrgb(word.strip())[:3]
        except ValueError:
            raise ConfigError(
                f"`{word.strip()}` is no background",
                "write random, gradient, or colours such as `white, #8090a0`",
            ) from None
        colours.append((red, green, blue))
    return tuple(colours)


def _box(size: Size, dice: random.Random, scale: float, turn: float) -> tuple[int, int, int, int]:
    """Return a box of the picture's shape, anywhere where no corner shows when it is turned."""
    width, height = size
    cos, sin = math.cos(math.radians(turn)), abs(math.sin(math.radians(turn)))
    fits = min(width / (width * cos + height * sin), height / (width * sin + height * cos))
    scale = min(scale, fits)
    across, down = max(1, math.floor(width * scale)), max(1, math.floor(height * scale))
    around = across * cos + down * sin, across * sin + down * cos
    left = _place(dice, width, around[0], across)
    top = _place(dice, height, around[1], down)
    return left, top, left + across, top + down


def _place(dice: random.Random, side: int, around: float, length: int) -> int:
    """Return where a box begins whose turned corners need so much of a side."""
    free = max(0.0, side - around)
    middle = around / 2 + dice.random() * free
    return max(0, min(side - length, math.floor(middle - length / 2)))


def _background(
    dice: random.Random, wanted: str | tuple[Colour, ...]
) -> Sequence[Colour | int] | None:
    if not wanted:
        return None
    first, second = ([dice.randrange(256) for _ in range(3)] for _ in range(2))
    if wanted == RANDOM:
        return (_colour(first),)
    if wanted == GRADIENT:
        return _colour(first), _colour(second), dice.randrange(360)
    return (_colour(dice.choice(wanted)),)


def _colour(levels: Sequence[int | str]) -> Colour:
    red, green, blue = (int(level) for level in levels)
    return red, green, blue
