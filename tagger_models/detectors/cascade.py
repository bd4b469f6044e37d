"""Cascades of OpenCV: an XML file of weak classifiers, slid over a grey picture at every scale.

OpenCV is an optional package, imported here alone. Settings: README of
nagadomi/lbpcascade_animeface (grey, equalised, factor 1.1, 5 neighbours, 24 px).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.runtime.errors import MachineError, ModelFileError
from tagger_models.detectors.detected_box import DetectedBox
from tagger_models.detectors.detector_profile import DetectorProfile
from tagger_models.detectors.known_detectors import OPENCV

if TYPE_CHECKING:
    from PIL import Image

_FACTOR, _NEIGHBOURS, _LEAST_PX = 1.1, 5, 24


@dataclass(frozen=True)
class Cascade:
    """An opened cascade."""

    row: DetectorProfile
    _classifier: Any
    _cv2: Any

    def found(self, image: "Image.Image") -> list[DetectedBox]:
        """Return what it finds in an upright RGB picture, in px of it."""
        import numpy as np

        grey = self._cv2.cvtColor(np.asarray(image), self._cv2.COLOR_RGB2GRAY)
        boxes, agreeing = self._classifier.detectMultiScale2(
            self._cv2.equalizeHist(grey),
            scaleFactor=_FACTOR,
            minNeighbors=_NEIGHBOURS,
            minSize=(_LEAST_PX, _LEAST_PX),
        )
        each = zip(boxes, agreeing, strict=True)
        found = [self._box(*map(int, box), windows=int(windows)) for box, windows in each]
        least = self.row.threshold
        return sorted((b for b in found if b.score >= least), key=lambda b: (-b.score, b.box))

    def _box(self, left: int, top: int, width: int, height: int, *, windows: int) -> DetectedBox:
        box = (left, top, left + width, top + height)
        score = windows / (windows + _NEIGHBOURS)
        return DetectedBox(box, self.row.finds[0], score, self.row.name)


def open_cascade(file: Path, row: DetectorProfile) -> Cascade:
    """Open a cascade's file.

    Raises:
        MachineError: OpenCV is not installed, or is one without cascades.
        ModelFileError: The file is no cascade.
    """
    try:
        import cv2
    except ImportError:
        raise MachineError(
            f"the detector `{row.name}` needs OpenCV, which is not installed",
            f'install it: `pip install "{OPENCV}"`',
        ) from None
    if not hasattr(cv2, "CascadeClassifier"):
        raise MachineError(
            f"OpenCV {cv2.__version__} has no cascades, which the detector `{row.name}` needs",
            f'install one that has: `pip install "{OPENCV}"`',
        )
    classifier = cv2.CascadeClassifier()
    try:
        loaded = classifier.load(str(file))
    except cv2.error:
        loaded = False
    if not loaded:
        raise ModelFileError(
            f"`{file}` is not a cascade of OpenCV",
            "fetch it again, or name another detector",
        )
    return Cascade(row, classifier, cv2)
