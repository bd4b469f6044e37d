"""How a picture is made smaller before a stage sees it: steps of data, done in order.

Done in the decoding process, so that only the small picture crosses the pipe. Knows no model.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from prep.images import pixel_steps, tiles

if TYPE_CHECKING:
    from PIL import Image

PAD, WITHIN, SQUARE = "pad", "within", "square"
KINDS = (PAD, WITHIN, SQUARE)  # what a model may ask for
GREY, SIDES, THUMBNAIL, TILES = "grey", "sides", "thumbnail", "tiles"
SHORTER, AT_MOST = "shorter", "at most"
MASK_OF, ALPHA_OF = "mask of", "alpha of"  # told to whoever decodes; the picture stays as it is
FILTERS = ("NEAREST", "BOX", "BILINEAR", "HAMMING", "BICUBIC", "LANCZOS")


class Resize(NamedTuple):
    """One step; all fields are plain values, which JSON keeps.

    Attributes:
        kind: `pad`: a border makes the picture a square, the picture in its middle, an odd pixel
            of border right or below. `within`: the longer side becomes `size`, the other one
            follows, rounded down, at least 1 px. `square`: both sides become `size`. `sides`:
            they become the two that `size` holds. `shorter`: the shorter side becomes `size`, the
            other one follows, rounded down; where that would take more pixels, none is resized.
            `at most`: the longer side becomes `size` if it is
            larger, the other one follows, rounded to the nearest, at least 1 px.
            `thumbnail`: the longer side becomes `size` if it
            is larger, as Pillow does that. `grey`: Pillow's `L` from here on; the result is RGB
            again. `tiles`: the sheet of `prep.images.tiles`.
            `alpha of`, the first of all steps: its alpha is wanted, as grey.
        filter: One of FILTERS; unused by `pad`, `thumbnail` and `grey`.
        colour: RGB, 0 to 255, of the border; None repeats the picture's edge. Used by `pad` alone.
        size: px; 0 is the model's own size. Of `sides`, (width, height). Unused by `pad` and
            `grey`.
    """

    kind: str
    filter: str = ""
    colour: tuple[int, int, int] | None = None
    size: int | tuple[int, ...] = 0


class MaskOf(NamedTuple):
    """A step that changes nothing: by now the image has to be as large as a picture.

    Attributes:
        file: Path of the picture that it is a mask of.
    """

    kind: str
    file: str


def sized(steps: Sequence[Resize], size: int) -> tuple[Resize, ...]:
    """Return the steps with the model's own size, in px, where they leave it open."""
    return tuple(step._replace(size=step.size or size) for step in steps)


def fitted(image: "Image.Image", steps: Sequence[Sequence[object]]) -> "Image.Image":
    """Return an RGB image with all steps done; a picture of the right size is not resampled.

    Args:
        image: Upright, RGB; it may be changed.
        steps: Resize values, or what JSON made of them; their sizes are given. Of a mask, those of
            `prep.images.pixel_steps` that its picture went through: what lies outside is black.
    """
    from PIL.Image import Resampling

    for each in steps:
        if each[0] in pixel_steps.KINDS:
            image = pixel_steps.done(image, [each], pixel_steps.BLACK)
            continue
        step = Resize(*each)  # type: ignore[arg-type]
        if step.kind in _DONE:
            image = _DONE[step.kind](image, step)
        elif (wanted := _wanted(step, *image.size)) != image.size:
            image = image.resize(wanted, Resampling[step.filter])
    return image if image.mode == "RGB" else image.convert("RGB")


def pixels_after(size: tuple[int, int], steps: Sequence[Sequence[object]]) -> int:
    """Return how many pixels, at most, a picture of a size has when all steps are done."""
    for each in steps:
        if each[0] in pixel_steps.KINDS:
            size = pixel_steps.size_after(size, [each])
        elif each[0] == PAD:
            size = (max(size), max(size))
        elif each[0] == TILES:
            size = tiles.layout(size).sheet
        elif each[0] not in (GREY, THUMBNAIL, MASK_OF, ALPHA_OF):
            size = _wanted(Resize(*each), *size)  # type: ignore[arg-type]
    return size[0] * size[1]


def wanted_sizes(
    size: tuple[int, int], steps: Sequence[Sequence[object]]
) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield the size that a mask has by each `mask of`, and the picture that it lies over there."""
    for step in steps:
        if step[0] in pixel_steps.KINDS:
            size = pixel_steps.size_after(size, [step])
        elif step[0] == MASK_OF:
            yield size, str(step[1])


def _wanted(step: Resize, width: int, height: int) -> tuple[int, int]:
    """Return the size that a picture of some size becomes."""
    most, _ = sides = _sides(step)
    longer, shorter = max(width, height), min(width, height)
    match step.kind:
        case "within":
            return max(1, width * most // longer), max(1, height * most // longer)
        case "shorter":
            other = int(most * longer / shorter)
            if most * other >= width * height:
                return width, height
            return (most, other) if width <= height else (other, most)
        case "at most" if longer > most:
            return max(1, round(width * most / longer)), max(1, round(height * most / longer))
        case "at most":
            return width, height
        case _:
            return sides


def _sides(step: Resize) -> tuple[int, int]:
    size = step.size
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _padded(image: "Image.Image", colour: tuple[int, int, int] | None) -> "Image.Image":
    """Return the image in the middle of a square of its longer side."""
    from PIL import Image

    width, height = image.size
    side = max(width, height)
    if width == height:
        return image
    left, top = (side - width) // 2, (side - height) // 2
    if colour is None:
        import numpy as np

        border = ((top, side - height - top), (left, side - width - left), (0, 0))
        return Image.fromarray(np.pad(np.asarray(image), border, mode="edge"))
    canvas = Image.new("RGB", (side, side), tuple(colour))
    canvas.paste(image, (left, top))
    return canvas


def _thumbnail(image: "Image.Image", step: Resize) -> "Image.Image":
    image.thumbnail(_sides(step))
    return image


_DONE: Mapping[str, Callable[["Image.Image", Resize], "Image.Image"]] = {
    PAD: lambda image, step: _padded(image, step.colour),
    GREY: lambda image, _: image.convert("L"),
    THUMBNAIL: _thumbnail,
    TILES: lambda image, _: tiles.laid_out(image),
    MASK_OF: lambda image, _: image,
    ALPHA_OF: lambda image, _: image,
}
