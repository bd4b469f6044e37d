"""All that is measured of one picture, as plain values: what the checks judge."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from prep.quality.bars import bars
from prep.quality.blocks import jpeg_quality
from prep.quality.lettering import lettering
from prep.quality.sharpness import sharpness
from prep.quality.tones import tones

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

CELLS = 12  # along each axis of what tells how a picture lies
_DIGITS = 4  # figures that are kept: machines differ in the last ones of a float32
_MOST_LINES = 20


@dataclass(frozen=True)
class Measures:
    """What is measured of a picture.

    Attributes:
        size: (width, height) px.
        edge: See `prep.quality.sharpness`, as `period`, `scale` and `drop`; None: no edges.
        jpeg: The quality with which JPEG compressed it, see `prep.quality.blocks`; 100: none.
        dark: See `prep.quality.tones`, as `light`, `colour`, `grey` and `filled`.
        bars: (left, top, right, bottom), see `prep.quality.bars`; `torn` too.
        lines: (left, top, right, bottom) px in the picture, and letters, of lines of writing.
        turned: Its EXIF says that it is to be turned, and its size that it was.
        layout: How light its parts are, row by row, in whole numbers of a length of 127; empty for
            a plain one.
    """

    size: tuple[int, int]
    edge: float | None
    period: float
    scale: float
    drop: float
    jpeg: float
    dark: float
    light: float
    colour: float
    grey: float
    filled: float
    bars: tuple[float, float, float, float]
    torn: float
    lines: Sequence[Sequence[int]]
    turned: bool
    layout: Sequence[int]

    def plain(self) -> dict[str, Any]:
        """Return it as JSON keeps it."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


def known(row: Mapping[str, Any]) -> Measures:
    """Return what JSON kept of a picture."""
    return Measures(**{field.name: row[field.name] for field in fields(Measures)})


def measures(
    copy: "Image.Image", parts: "np.ndarray[Any, Any]", size: tuple[int, int], *, turned: bool
) -> Measures:
    """Return what is measured of a picture.

    Args:
        copy: Its small copy, RGB; see `prep.images.tiles`.
        parts: Parts of it at full scale: uint8, (rows, columns, height, width, 3).
        size: Its (width, height) px.
        turned: See Measures.
    """
    import numpy as np

    pixels = np.asarray(copy)
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    fine = parts.reshape(-1, *parts.shape[2:]).astype(np.float32) @ weights
    grey = pixels.astype(np.float32) @ weights
    cut_off = ((parts == 0) | (parts == 255)).any(-1).reshape(fine.shape)
    sharp, tone, around = sharpness(fine), tones(pixels), bars(pixels)
    larger = size[0] / copy.width
    lines = [(*(round(side * larger) for side in line.box), line.letters)
             for line in lettering(grey)[:_MOST_LINES]]  # fmt: skip
    return Measures(
        size, sharp.edge, sharp.period, sharp.scale, sharp.drop, jpeg_quality(fine, cut_off),
        tone.dark, tone.light, tone.colour, tone.grey, tone.filled,
        (around.left, around.top, around.right, around.bottom), around.torn,
        lines, turned, _layout(copy),
    )  # fmt: skip


def _layout(copy: "Image.Image") -> list[int]:
    import numpy as np
    from PIL.Image import Resampling

    grey = np.asarray(copy.convert("L").resize((CELLS, CELLS), Resampling.BOX), np.int64)
    away = grey.ravel() * grey.size - grey.sum()  # whole numbers: alike on every machine
    length = float(np.sqrt(float((away * away).sum())))
    if length < 2 * grey.size * CELLS:
        return []
    return [int(value) for value in np.rint(away * (127 / length))]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value
