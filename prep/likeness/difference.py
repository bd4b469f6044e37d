"""In what two aligned pictures differ: nowhere, all over, or in a region."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from prep.likeness.apart import PEAK, apart, percentile
from prep.likeness.area import Area
from prep.likeness.levels import exposure, overall

if TYPE_CHECKING:
    from PIL import Image

_NOISE = 28.0  # levels; coarse compression makes as much, not more
_OVERALL = 12.0  # levels, of large areas
_MOVED = 5.0  # levels; another exposure
_COARSE = 1 / 3  # of the noise, by which compression that coarse moves the exposure, too
_KEPT = 0.5  # of the detail, what has to be the same in two variants of one picture


class Judgement(StrEnum):
    """What became of a comparison."""

    SAME = "same"
    REGION = "region"
    ALL_OVER = "all over"
    OTHER = "other"  # another picture

    @property
    def varies(self) -> bool:
        """Whether both are variants of one picture."""
        return self in (Judgement.REGION, Judgement.ALL_OVER)


@dataclass(frozen=True)
class Difference:
    """In what two aligned pictures differ.

    Attributes:
        noise: See `prep.likeness.apart.Apart`.
        peak: How many times the noise the furthest pixel is away.
        region: Where, as parts of what was compared; None for nowhere or everywhere.
    """

    judgement: Judgement
    noise: float
    peak: float
    region: Area | None = None


def difference(first: "Image.Image", second: "Image.Image") -> Difference:
    """Compare two RGB images of one size, aligned to within a pixel.

    What lies between the darkest and the lightest neighbour of a pixel is no difference, so that
    neither resampling nor a fraction of a pixel counts; what coarse compression does to both all
    over is none either, but a place that stands out from it is one.
    """
    found = apart(first, second)
    away, detail = found.away, found.detail
    exposed, moved = exposure(found.one, found.other)
    lit = moved > max(_MOVED, _COARSE * found.noise)
    peak = float(away.max()) / found.noise
    steady = peak < PEAK and found.noise < _NOISE
    # Compression moves large areas of a small picture as far as its noise: JPEG keeps half of the
    # colours' size.
    most = max(_OVERALL, found.noise)
    if steady and not lit and percentile(overall(found.one, found.other), 90) < most:
        return Difference(Judgement.SAME, found.noise, peak)
    if lit and percentile(overall(exposed, found.other), 90) < _OVERALL:
        return Difference(Judgement.ALL_OVER, found.noise, peak)
    differs = away > found.noise * min(PEAK, 0.5 * peak)
    if not differs.any() or (detail & ~differs).sum() < _KEPT * detail.sum():
        return Difference(Judgement.OTHER, found.noise, peak)
    return Difference(Judgement.REGION, found.noise, peak, found.region(differs))
