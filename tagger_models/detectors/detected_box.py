"""What detectors find: boxes, and which of several that show the same stays. Arithmetic only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# Two boxes of one kind show the same where they share so much of their union, or where so much of
# the smaller one lies within the larger: detectors draw a face tight, or with hair and chin.
_UNION, _WITHIN = 0.4, 0.7

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class DetectedBox:
    """One thing that a detector found.

    Attributes:
        box: (left, top, right, bottom) px.
        kind: One of `detector_profile.KINDS`.
        score: How sure the detector is, 0 to 1; of a cascade, n / (n + 5) for n windows that agree.
        detector: Its name.
    """

    box: Box
    kind: str
    score: float
    detector: str

    def told(self, scale: Sequence[float], size: Sequence[int]) -> dict[str, Any] | None:
        """Return it as the artifact holds it, in whole px of the picture; None where none is left.

        Args:
            scale: px of the picture for one px here, across and down.
            size: (width, height) px of the picture.
        """
        left, top, right, bottom = (round(side * scale[n % 2]) for n, side in enumerate(self.box))
        found = [max(0, left), max(0, top), min(size[0], right), min(size[1], bottom)]
        if found[0] >= found[2] or found[1] >= found[3]:
            return None
        score = round(self.score, 3)
        return {"box": found, "kind": self.kind, "score": score, "detector": self.detector}


def merged(each: Iterable[Sequence[DetectedBox]]) -> list[DetectedBox]:
    """Return what several detectors found, each thing once; the first detector's box stays.

    Largest area first; of equals the one that is farther up, then farther left.
    """
    kept: list[DetectedBox] = []
    for found in each:
        kept += [one for one in found if not any(_same(one, other) for other in kept)]
    return sorted(kept, key=lambda one: (-area(one.box), one.box[1], one.box[0], one.kind))


def area(box: Sequence[float]) -> float:
    """Return the area of a box; 0 of one that is empty."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def shared(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the area that two boxes share."""
    return area(
        (
            max(one[0], other[0]),
            max(one[1], other[1]),
            min(one[2], other[2]),
            min(one[3], other[3]),
        )
    )


def _same(one: DetectedBox, other: DetectedBox) -> bool:
    common = shared(one.box, other.box)
    union = area(one.box) + area(other.box) - common
    smaller = min(area(one.box), area(other.box))
    alike = common > _UNION * union or common > _WITHIN * smaller
    return one.kind == other.kind and alike
