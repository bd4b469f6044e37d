"""YOLO graphs as their exporters write them: letterbox, decoding of the answers, suppression.

Source: ultralytics, `engine/exporter.py` (input, metadata `names`), `data/augment.py: LetterBox`,
`utils/nms.py`; for NudeNet, its own package. Three forms of answers are read:

(1, 4 + classes, N)  centre, width, height, then a probability per class (v8, v11)
(1, N, 5 + classes)  the same with the probability that there is anything first (v5, v7)
(1, N, 6)            left, top, right, bottom, probability, class: suppressed already (v10)
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.runtime.errors import ModelFileError
from tagger_models.detectors.detected_box import DetectedBox
from tagger_models.detectors.detector_profile import (
    EYE,
    FACE,
    HALF_BODY,
    HEAD,
    PERSON,
    DetectorProfile,
)
from tagger_models.onnx.external_data import check_external
from tagger_models.onnx.inference import answer, open_session

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

_STRIDE = 32
_MOST_SUPPRESSED = 1000  # rows of a graph that suppresses itself: 300 unless its exporter said so
_OTHER = "is it really a YOLO that was exported to ONNX? name another detector"
_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16"}
# Words of models for what they find, in lower case without blanks.
_WORDS = {
    "face": FACE, "facefemale": FACE, "facemale": FACE, "head": HEAD, "person": PERSON,
    "human": PERSON, "people": PERSON, "halfbody": HALF_BODY, "upperbody": HALF_BODY, "eye": EYE,
    "eyes": EYE,
}  # fmt: skip


@dataclass(frozen=True)
class Yolo:
    """An opened graph.

    Attributes:
        finds: Class number -> kind; classes that are of no use are left out.
        classes: How many it has; 0 where nobody says.
        size: (width, height) px of its input; 0 where it is left open.
        note: What a person should be told of where it runs, or None.
    """

    row: DetectorProfile
    finds: Mapping[int, str]
    classes: int
    size: tuple[int, int]
    note: str | None
    _model: Path
    _names: tuple[str, str, str]  # of the input, its type, of the output
    _session: Any

    def found(self, image: "Image.Image") -> list[DetectedBox]:
        """Return what it finds in an upright RGB picture, in px of it; the likeliest first.

        Raises:
            ModelFileError: The graph answers in another form than those above.
        """
        import numpy as np

        canvas, scale, (left, top) = self._letterboxed(image)
        name, dtype, output = self._names
        pixels = (np.asarray(canvas, np.float32) / 255).transpose(2, 0, 1)[None].astype(dtype)
        answers = np.asarray(answer(self._session, output, {name: pixels}), np.float32)
        boxes, scores, classes = self._decoded(answers)
        good = np.isfinite(scores) & (scores >= self.row.threshold)
        good &= np.isin(classes, list(self.finds))
        boxes, scores, classes = boxes[good], scores[good], classes[good]
        boxes = (boxes - [left, top, left, top]) / [*scale, *scale]
        boxes = boxes.clip(0, [*image.size, *image.size])
        kinds = np.array([self.finds[int(number)] for number in classes])
        return [
            DetectedBox(
                (boxes[n][0], boxes[n][1], boxes[n][2], boxes[n][3]),
                str(kinds[n]),
                float(min(1.0, scores[n])),
                self.row.name,
            )
            for n in suppressed(boxes, scores, kinds, self.row.overlap)
        ]

    def _letterboxed(
        self, image: "Image.Image"
    ) -> tuple["Image.Image", tuple[float, float], tuple[int, int]]:
        """Return the input, px of it for a px of the picture, and where the picture lies in it."""
        from PIL import Image

        width, height = image.size
        across, down = (side or self.row.size for side in self.size)
        ratio = min(across / width, down / height)
        wide, high = max(1, round(width * ratio)), max(1, round(height * ratio))
        if not self.size[0]:
            across = -(-wide // _STRIDE) * _STRIDE
        if not self.size[1]:
            down = -(-high // _STRIDE) * _STRIDE
        small = image.resize((wide, high), Image.Resampling.BILINEAR)
        place = ((across - wide) // 2, (down - high) // 2) if self.row.centred else (0, 0)
        canvas = Image.new("RGB", (across, down), self.row.pad)
        canvas.paste(small, place)
        return canvas, (wide / width, high / height), place

    def _decoded(self, answers: "np.ndarray") -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
        """Return boxes (left, top, right, bottom) in px of the input, scores, and classes."""
        import numpy as np

        if answers.ndim != 3 or len(answers) != 1:
            raise self._unlike(answers.shape)
        rows, columns = answers.shape[1:]
        if columns == 6 and rows <= _MOST_SUPPRESSED:
            found = answers[0]
            return found[:, :4], found[:, 4], found[:, 5].astype(int)
        if rows == 4 + self.classes or (not self.classes and 4 < rows < columns):
            found = answers[0].T
            probable = found[:, 4:]
        elif columns == 5 + self.classes or (not self.classes and 5 < columns < rows):
            found = answers[0]
            probable = found[:, 5:] * found[:, 4:5]
        else:
            raise self._unlike(answers.shape)
        middle, half = found[:, :2], found[:, 2:4] / 2
        boxes = np.concatenate([middle - half, middle + half], axis=1)
        return boxes, probable.max(axis=1), probable.argmax(axis=1)

    def _unlike(self, shape: tuple[int, ...]) -> ModelFileError:
        told = "x".join(map(str, shape))
        return ModelFileError(
            f"`{self._model}` answers with {told} numbers, as no YOLO does", _OTHER
        )


def suppressed(
    boxes: "np.ndarray", scores: "np.ndarray", kinds: "np.ndarray", overlap: float
) -> list[int]:
    """Return the places of boxes that stay, likeliest first: greedy suppression within a kind.

    Args:
        boxes: (N, 4): left, top, right, bottom.
        scores: (N,).
        kinds: (N,): only boxes of one kind suppress each other.
        overlap: Of two that share more of their union, the likelier stays.
    """
    import numpy as np

    sides = (boxes[:, 2:] - boxes[:, :2]).clip(0)
    areas = sides[:, 0] * sides[:, 1]
    kept: list[int] = []
    waiting = np.argsort(-scores, kind="stable")
    while len(waiting):
        first, rest = waiting[0], waiting[1:]
        kept.append(int(first))
        low = np.maximum(boxes[rest, :2], boxes[first, :2])
        high = np.minimum(boxes[rest, 2:], boxes[first, 2:])
        common = (high - low).clip(0).prod(axis=1)
        union = areas[rest] + areas[first] - common
        same = (common > overlap * union) & (kinds[rest] == kinds[first])
        waiting = rest[~same]
    return kept


def open_yolo(file: Path, row: DetectorProfile, device: str, threads: int) -> Yolo:
    """Open an ONNX graph.

    Args:
        device: One of `tagger_models.onnx.providers.DEVICES`.
        threads: CPU threads of one call; 0 is one for each core.

    Raises:
        ModelFileError: It cannot be opened, takes no picture, or finds nothing that is of use.
    """
    check_external(file, [file])
    session, _, note = open_session(file, device, threads)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    first = inputs[0]
    if len(inputs) != 1 or first.type not in _TYPES or len(first.shape) != 4:
        told = "; ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
        raise ModelFileError(f"`{file}` does not take one picture: {told}", _OTHER)
    high, wide = (side if isinstance(side, int) else 0 for side in first.shape[2:])
    names = _class_names(session.get_modelmeta().custom_metadata_map)
    finds = row.finds or {
        number: kind for number, word in names.items() if (kind := _WORDS.get(_plain(word)))
    }
    if not finds:
        known = f"only {', '.join(names.values())}" if names else "it does not say what it finds"
        raise ModelFileError(f"`{file}` finds no faces, heads or persons: {known}", _OTHER)
    tensors = (first.name, _TYPES[first.type], outputs[0].name)
    return Yolo(row, finds, len(names), (wide, high), note, file, tensors, session)


def _class_names(told: Mapping[str, str]) -> dict[int, str]:
    """Return class number -> name from a graph's metadata; empty where it has none."""
    try:
        names = ast.literal_eval(told.get("names", ""))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {}
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        return {}
    return {number: str(name) for number, name in names.items() if isinstance(number, int)}


def _plain(word: str) -> str:
    return "".join(letter for letter in word.lower() if letter.isalnum())
