"""A tagger over onnxruntime. Knows no tagger by name: its row and its graph say all there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.images.fitting import Resize, sized
from prep.models.devices import usual_batch
from prep.models.locate import FoundModel
from prep.runtime.errors import ModelFileError
from tagger_models.labels.label import Label
from tagger_models.onnx.external_data import check_external
from tagger_models.onnx.graph_shape import (
    OTHER,
    GraphShape,
    check_fit,
    check_labels,
    other_labels,
    shape_of,
)
from tagger_models.onnx.inference import answer, open_session
from tagger_models.onnx.providers import CPU
from tagger_models.profiles.own_files import as_the_model_says
from tagger_models.profiles.profile import Profile
from tagger_models.vocabulary import read_labels

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

_SLACK = 1e-3  # how far a float16 graph's probabilities may leave [0, 1]


@dataclass(frozen=True)
class OnnxTagger:
    """An opened graph with its labels.

    Attributes:
        labels: In the order of the columns of `score`.
        shape: What the graph says of its input.
        provider: Where it runs, as the session itself reports.
        note: What a person should be told of that, or None.
    """

    labels: tuple[Label, ...]
    shape: GraphShape
    provider: str
    note: str | None
    _row: Profile
    _model: Path
    _session: Any

    @property
    def batch(self) -> int | None:
        """How many pictures the graph takes at once, or None where it takes any number."""
        return self.shape.batch

    @property
    def usual_batch(self) -> int:
        """How many pictures a call takes where nobody said."""
        return usual_batch(self.provider == CPU)

    @property
    def fit(self) -> tuple[Resize, ...]:
        """The steps that bring a picture to the square that `score` takes."""
        return sized(self._row.fit, self.shape.size)

    def score(self, squares: Sequence["Image.Image"]) -> "np.ndarray":
        """Return the probabilities of fitted pictures, shape (N, labels), float32 in [0, 1].

        Where the graph has a fixed batch size, the pictures go in pieces of it, the last one
        filled up with its last picture. A picture that the graph answers with infinities or no
        numbers at all, though it answers others, has NaN for every label.

        Args:
            squares: Upright RGB pictures that went through the steps of `fit`.

        Raises:
            ModelFileError: The graph answers with another number of labels, with no
                probabilities, or not at all, whatever the picture.
            RuntimeError: It fails at one of these pictures.
            MemoryError: The memory of the device does not hold them.
            ValueError: A picture was not fitted.
        """
        import numpy as np

        from tagger_models.onnx.preprocess import stacked

        piece = self.batch or max(len(squares), 1)
        answers = [np.zeros((0, len(self.labels)), np.float32)]
        for start in range(0, len(squares), piece):
            some = squares[start : start + piece]
            whole = [*some, *[some[-1]] * (piece - len(some))]
            pixels = stacked(whole, self.shape.size, self._row)
            try:
                answers.append(self._answers(pixels)[: len(some)])
            except RuntimeError as error:
                if self._answers_grey():
                    raise
                other = "upgrade onnxruntime" if self.provider == CPU else "add `--device cpu`"
                raise ModelFileError(
                    f"`{self._model}` cannot be run: {error}", f"fetch the file again, or {other}"
                ) from error
        return self._checked(np.concatenate(answers))

    def _checked(self, answers: "np.ndarray") -> "np.ndarray":
        """Return answers as probabilities in [0, 1]; a row that holds other than numbers as NaN."""
        import numpy as np

        lacking = ~np.isfinite(answers).all(axis=1)
        if lacking.any() and not self._answers_grey():
            raise self._no_probabilities()
        answers[lacking] = np.nan
        if ((answers < -_SLACK) | (answers > 1 + _SLACK)).any():
            raise self._no_probabilities()
        probabilities: np.ndarray = answers.clip(0, 1)
        return probabilities

    def _answers_grey(self) -> bool:
        """Return whether the graph answers a grey picture with numbers: then it works at all."""
        import numpy as np

        side = self.shape.size
        wide = (side, side, 3) if self._row.layout == "NHWC" else (3, side, side)
        middle = (self._row.low + self._row.high) / 2
        try:
            answers = self._answers(np.full((self.batch or 1, *wide), middle, np.float32))
        except RuntimeError:
            return False
        return bool(np.isfinite(answers).all())

    def _no_probabilities(self) -> ModelFileError:
        return ModelFileError(
            f"`{self._model}` does not answer with probabilities in 0 to 1", OTHER
        )

    def _answers(self, pixels: "np.ndarray") -> "np.ndarray":
        """Return the graph's answers after the row's activation, float32, shape (N, labels)."""
        import numpy as np

        given = {self.shape.tensor: pixels.astype(self.shape.dtype, copy=False)}
        found: np.ndarray = answer(self._session, self.shape.output, given).astype(np.float32)
        if found.shape != (len(pixels), len(self.labels)):
            raise other_labels(self._model, len(self.labels), found.shape[-1])
        if self._row.activation == "sigmoid":
            with np.errstate(over="ignore"):  # of a logit under -88: its probability is 0
                found = np.float32(1) / (np.float32(1) + np.exp(-found))
        return found


def open_tagger(
    found: FoundModel, row: Profile, device: str = "auto", threads: int = 1
) -> OnnxTagger:
    """Return the tagger of a model on this disk.

    Args:
        found: The model file and its label file.
        row: How it is fed and read.
        device: One of `providers.DEVICES`.
        threads: CPU threads of one call, 0 for one each core; another number may change the last
            bits of the scores.

    Raises:
        ModelFileError: A file is missing or damaged, reads files that it may not, needs an
            unknown operator, is no tagger, or its labels do not fit its answers.
        MachineError: A device was asked for by name and cannot be had.
    """
    model, row = _graph(found), as_the_model_says(found, row)
    labels = read_labels(found, row)
    check_external(model, [path for path, _, _ in found.files])
    session, provider, note = open_session(model, device, threads)
    shape = shape_of(session.get_inputs(), session.get_outputs(), row, model)
    check_labels(session.get_outputs(), shape, len(labels), model)
    check_fit(row, shape, model)
    return OnnxTagger(
        labels=labels,
        shape=shape,
        provider=provider,
        note=note,
        _row=row,
        _model=model,
        _session=session,
    )


def _graph(found: FoundModel) -> Path:
    """Return the only ONNX file of the model."""
    matching = [path for path, _, _ in found.files if path.suffix == ".onnx"]
    if len(matching) == 1:
        return matching[0]
    raise ModelFileError(
        f"`{found.path}` has {len(matching)} `.onnx` files in place of one",
        "name the one to use as the model",
    )
