"""What one picture is to another one that looks like it: a copy, and of what kind, or a variant."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prep.likeness.alignment import Plate, aligned, shared_size
from prep.likeness.appearance import Appearance
from prep.likeness.area import ALL, Area, moved
from prep.likeness.borders import BORDERED, CROPPED, told_by_frames
from prep.likeness.candidates import Candidate
from prep.likeness.difference import Difference, Judgement, difference
from prep.likeness.writing import Writing, writing

if TYPE_CHECKING:
    from PIL import Image

MIRRORED, WATERMARKED, RESIZED = "mirrored", "watermarked", "resized"
RECOMPRESSED, VARIANT = "recompressed", "variant"
_ORDER = (MIRRORED, CROPPED, BORDERED, WATERMARKED, RESIZED)
_SIDE = 256  # px, the longer side of what is compared
_OF_FULL, _CLEAN = 0.6, 7.0  # of what was compressed; levels of noise from where on it was
_PLAIN_TO_SEE = 4.5  # times the noise; compression makes no such peak
_SCALE = 0.04  # other sizes
_OVERLAP = 0.6  # of either side of either picture


@dataclass(frozen=True)
class Likeness:
    """What two pictures have to do with each other.

    Attributes:
        kinds: What was done to the picture that repeats the other one; (VARIANT,) where neither
            repeats the other.
        inner: Whether it is the candidate's inner picture that repeats; None: either may.
        inner_area: The region of it that matters: where a variant differs, a text lies, or what is
            within a border; None: all of it.
        outer_area: The same of the other picture; of a crop, where it was cut from.
    """

    kinds: tuple[str, ...]
    inner: bool | None
    inner_area: Area | None
    outer_area: Area | None


@dataclass(frozen=True)
class _Overlay:
    """Two pictures, one over the other.

    Attributes:
        own: What of the inner picture both show.
        common: The same of the outer one.
        scale: How large the inner picture shows it, as a part of the outer one's.
        longer: px, the longer side of it where it is smaller.
    """

    mine: Plate
    other: Plate
    own: Area
    common: Area
    scale: float
    longer: float

    def images(self, most: int) -> "tuple[Image.Image, Image.Image]":
        """Return what both show, of each picture, as images of one size."""
        size = shared_size((self.mine, self.own), (self.other, self.common), min(most, _SIDE))
        return self.mine.cut(self.own, size), self.other.cut(self.common, size)


def likeness(pair: Candidate, inner: Appearance, outer: Appearance) -> Likeness | None:
    """Return what two pictures have to do with each other; None for nothing."""
    lain = _overlay(pair, inner, outer)
    if lain is None:
        return None
    found = _difference(lain)
    if found.judgement is Judgement.OTHER:
        return None
    text = writing(*lain.images(_SIDE)) if found.judgement is Judgement.REGION else None
    told = _copy(lain, text, pair.mirror)
    if found.judgement.varies and text is None:
        told = _variant(lain, found)
    if pair.mirror and told.inner_area is not None:
        return replace(told, inner_area=told.inner_area.mirrored())
    return told


def _overlay(pair: Candidate, inner: Appearance, outer: Appearance) -> _Overlay | None:
    """Lay two pictures over each other; None where they share too little."""
    mine, other = Plate(_turned(inner, pair.mirror)), Plate(outer.copy)
    where = aligned(mine, pair.within, other, pair.where)
    if where is None:
        return None
    frame = moved(ALL, pair.within, where)
    common = Area(max(frame.left, 0), max(frame.top, 0), min(frame.right, 1), min(frame.bottom, 1))
    shared = (common.width / min(1, frame.width), common.height / min(1, frame.height))
    if min(shared) < _OVERLAP:
        return None
    own = moved(common, where, pair.within)
    sides = [
        (picture.size[0] * area.width, picture.size[1] * area.height)
        for picture, area in ((inner, own), (outer, common))
    ]
    scale = float((sides[0][0] * sides[0][1] / (sides[1][0] * sides[1][1])) ** 0.5)
    return _Overlay(mine, other, own, common, scale, max(map(min, *sides)))


def _difference(lain: _Overlay) -> Difference:
    """Return in what two pictures differ.

    Compression spoils single pixels of a picture: where it did, a smaller one is compared.
    """
    found = difference(*lain.images(_SIDE))
    smaller = round(_OF_FULL * lain.longer)
    clear = found.judgement is Judgement.SAME or found.noise <= _CLEAN
    if clear or found.peak > _PLAIN_TO_SEE or smaller >= _SIDE:
        return found
    return difference(*lain.images(smaller))


def _variant(lain: _Overlay, found: Difference) -> Likeness:
    region = found.region
    own, there = (region.within(lain.own), region.within(lain.common)) if region else (None, None)
    return Likeness((VARIANT,), None, own, there)


def _copy(lain: _Overlay, text: Writing | None, mirror: bool) -> Likeness:
    """Return what was done to the one that is a copy; of two that overlap, neither is."""
    told = told_by_frames(lain.mine, lain.own, lain.other, lain.common)
    if told is None:
        return Likeness((VARIANT,), None, lain.own, lain.common)
    kinds, repeats = told
    own, there = lain.own, lain.common
    if text is not None:
        kinds, repeats = {*kinds, WATERMARKED}, not text.second
        own, there = text.region.within(own), text.region.within(there)
    if mirror:
        kinds = {*kinds, MIRRORED}
    if abs(lain.scale - 1) > _SCALE and not kinds & {CROPPED, BORDERED}:
        kinds = {*kinds, RESIZED}
        repeats = lain.scale < 1 if repeats is None else repeats
    named = tuple(kind for kind in _ORDER if kind in kinds) or (RECOMPRESSED,)
    return Likeness(named, repeats, own, there)


def _turned(picture: Appearance, mirror: bool) -> "Image.Image":
    from PIL.Image import Transpose

    return picture.copy.transpose(Transpose.FLIP_LEFT_RIGHT) if mirror else picture.copy
