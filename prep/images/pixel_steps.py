"""What is done to the pixels of a picture to derive another one: steps of data, done in order.

A step is a row that JSON keeps: its kind, and one value. The steps of a derived picture are its
lineage; masks go through those that move pixels alike. A step changed here gives other bytes:
raise the version of the stages that ask for it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from prep.images import background, light

if TYPE_CHECKING:
    from PIL import Image

CUT, TURN, MIRROR, SIZE = "cut", "turn", "mirror", "size"
LIGHT, BACKGROUND = "light", "background"
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
_BAND_PIXELS = 1 << 22

Size = tuple[int, int]
Box = tuple[int, int, int, int]
Colour = tuple[int, int, int]


class PixelStep(NamedTuple):
    """One step.

    Attributes:
        kind: `cut`: the part within a box. `turn`: the part within a box, after the picture was
            turned about the box's middle. `mirror`: left to right. `size`: made larger or smaller.
            `light`: in another light. `background`: another one where it is transparent.
        value: Of `cut` (left, top, right, bottom) px; of `turn` the same and the degrees, counted
            against the clock; of `size` (width, height) px; of `light` that of
            `prep.images.light.relit`; of `background`, the first of all, that of
            `prep.images.background.replaced`. Unused by `mirror`.
    """

    kind: str
    value: Any = 0


def steps_of(box: Sequence[int], *, flip: bool = False) -> tuple[PixelStep, ...]:
    """Return the steps that cut a box, (left, top, right, bottom) px, and mirror it, perhaps."""
    cut = PixelStep(CUT, tuple(box))
    return (cut, PixelStep(MIRROR)) if flip else (cut,)


def moving(steps: Iterable[Sequence[Any]]) -> tuple[PixelStep, ...]:
    """Return those of some steps that say which pixel lies where: a mask goes through them, too."""
    return tuple(PixelStep(*step) for step in steps if step[0] in _SIZES)


def size_after(size: Size, steps: Iterable[Sequence[Any]]) -> Size:
    """Return the (width, height) px of a picture of some size when steps are done."""
    for kind, value in steps:
        size = _SIZES[kind](size, value) if kind in _SIZES else size
    return size


def done(
    image: "Image.Image",
    steps: Iterable[Sequence[Any]],
    outside: Colour = WHITE,
    alpha: "Callable[[], Image.Image | None]" = lambda: None,
) -> "Image.Image":
    """Return an RGB image with all steps done; the one that is given stays as it is.

    Args:
        image: Upright, RGB.
        steps: PixelStep values, or what JSON made of them.
        outside: What a turned box shows where it leads out of the picture.
        alpha: Returns the picture's alpha as grey RGB, or None for one that is opaque.
    """
    found = image
    for kind, value in steps:
        if kind == BACKGROUND:
            clear = alpha()
            found = found if clear is None else background.replaced(found, clear, value)
            continue
        if kind == MIRROR and found is image:
            found = image.copy()
        found = _DONE[kind](found, value, outside)
    return found


def sentence(steps: Iterable[Sequence[Any]]) -> str:
    """Return what steps do, in words: `cut to 10,20 to 300,400 px, mirrored`."""
    return ", ".join(_WORDS[kind](value) for kind, value in steps)


def _cut(image: "Image.Image", value: Sequence[int], _: Colour) -> "Image.Image":
    left, top, right, bottom = value
    whole = (left, top, right, bottom) == (0, 0, *image.size)
    return image if whole else image.crop((left, top, right, bottom))


def _turned(image: "Image.Image", value: Sequence[float], outside: Colour) -> "Image.Image":
    """Return a box of the turned picture; only its own pixels are ever computed."""
    from PIL.Image import Resampling, Transform

    left, top, right, bottom, degrees = value
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    width, height = right - left, bottom - top
    x, y = (left + right) / 2, (top + bottom) / 2
    across = x - cos * width / 2 + sin * height / 2
    down = y - sin * width / 2 - cos * height / 2
    return image.transform(
        (int(width), int(height)),
        Transform.AFFINE,
        (cos, -sin, across, sin, cos, down),
        Resampling.BICUBIC,
        fillcolor=outside,
    )


def _mirrored(image: "Image.Image", _: Any, __: Colour) -> "Image.Image":
    """Mirror an image in place, left to right: there may be no room for another copy."""
    from PIL.Image import Transpose

    width, height = image.size
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        band = (0, top, width, min(height, top + rows))
        image.paste(image.crop(band).transpose(Transpose.FLIP_LEFT_RIGHT), band)
    return image


def _resized(image: "Image.Image", value: Sequence[int], _: Colour) -> "Image.Image":
    from PIL.Image import Resampling

    size = (value[0], value[1])
    return image if size == image.size else image.resize(size, Resampling.LANCZOS)


def _box_size(_: Size, value: Sequence[float]) -> Size:
    return int(value[2] - value[0]), int(value[3] - value[1])


def _box_words(value: Sequence[float]) -> str:
    left, top, right, bottom = map(int, value[:4])
    return f"{left},{top} to {right},{bottom} px"


_DONE: Mapping[str, Callable[["Image.Image", Any, Colour], "Image.Image"]] = {
    CUT: _cut,
    TURN: _turned,
    MIRROR: _mirrored,
    SIZE: _resized,
    LIGHT: lambda image, value, _: light.relit(image, value),
}
# Those that move pixels -> the size that a picture has afterwards.
_SIZES: Mapping[str, Callable[[Size, Any], Size]] = {
    CUT: _box_size,
    TURN: _box_size,
    MIRROR: lambda size, _: size,
    SIZE: lambda _, value: (int(value[0]), int(value[1])),
}
_WORDS: Mapping[str, Callable[[Any], str]] = {
    CUT: lambda value: f"cut to {_box_words(value)}",
    TURN: lambda value: f"turned by {value[4]:g} degrees and cut to {_box_words(value)}",
    MIRROR: lambda _: "mirrored",
    SIZE: lambda value: f"resized to {value[0]}x{value[1]} px",
    LIGHT: lambda value: "{:+g} stops of light, {:+g} warmer, {:g} of its colour".format(*value),
    BACKGROUND: lambda value: "on another background",
}
KINDS = tuple(_WORDS)
