"""Several detectors as one: opened together, each thing that they find told once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from prep.models.locate import FoundModel
from tagger_models.detectors.detected_box import DetectedBox, merged
from tagger_models.detectors.detector_profile import CASCADE
from tagger_models.detectors.known_detectors import names_of, profile

if TYPE_CHECKING:
    from PIL import Image


class Detector(Protocol):
    """What is opened of one row."""

    def found(self, image: "Image.Image") -> list[DetectedBox]:
        """Return what it finds in an upright RGB picture, in px of it."""


@dataclass(frozen=True)
class Detection:
    """Detectors in the order in which a person named them.

    Attributes:
        note: What a person should be told of where they run, or None.
    """

    detectors: tuple[Detector, ...]
    note: str | None

    def found(self, image: "Image.Image", size: Sequence[int]) -> list[dict[str, Any]]:
        """Return what is found in a picture, as the artifact `faces` holds it, largest first.

        Args:
            image: Upright RGB, perhaps made smaller.
            size: (width, height) px of the whole picture, which the boxes are told in.
        """
        boxes = merged(one.found(image) for one in self.detectors)
        scale = size[0] / image.width, size[1] / image.height
        return [told for one in boxes if (told := one.told(scale, size))]


def open_detection(
    listed: str, found: Sequence[FoundModel], threshold: float, device: str, threads: int
) -> Detection:
    """Open the detectors that a person listed with commas.

    Args:
        listed: Their names.
        found: The model of each, in the same order.
        threshold: Least score that is kept; 0: each detector's own.
        device: Where graphs run; cascades run on the CPU.
        threads: CPU threads of one call; 0 is one for each core.

    Raises:
        ModelFileError, MachineError: As for each of them.
    """
    from tagger_models.detectors.cascade import open_cascade
    from tagger_models.detectors.yolo import open_yolo

    opened: list[Any] = []
    for name, model in zip(names_of(listed), found, strict=True):
        row = profile(name)
        row = replace(row, threshold=threshold) if threshold else row
        file = model.files[0][0]
        cascade = row.form == CASCADE
        opened.append(open_cascade(file, row) if cascade else open_yolo(file, row, device, threads))
    notes = (getattr(one, "note", None) for one in opened)
    return Detection(tuple(opened), next(filter(None, notes), None))
