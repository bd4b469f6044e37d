"""What an ONNX graph says of its input and outputs, and whether that is what its row says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prep.images.fitting import PAD, WITHIN, sized
from prep.runtime.counts import counted
from prep.runtime.errors import ModelFileError
from tagger_models.profiles.profile import Profile

OTHER = "is it really a tagger of this kind? name the tagger it was made from"
_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16"}


@dataclass(frozen=True)
class GraphShape:
    """What a graph says of its input, and which of its answers is read.

    Attributes:
        tensor: The input's name.
        batch: Fixed number of pictures, or None where it is free.
        size: Side of the square picture, px.
        output: The output's name.
        dtype: float32 or float16: the type of the input's numbers.
    """

    tensor: str
    batch: int | None
    size: int
    output: str
    dtype: str = "float32"


def shape_of(
    inputs: Sequence[Any], outputs: Sequence[Any], row: Profile, model: Path
) -> GraphShape:
    """Return what the graph's inputs and outputs (name, type, shape) say, checked by the row.

    Raises:
        ModelFileError: Not one picture of floats, square, with three channels, in the row's layout;
            or no such output as the row names.
    """
    first = inputs[0] if len(inputs) == 1 else None
    if first and first.type in _TYPES and len(first.shape) == 4:
        batch, *rest = first.shape
        height, width, channels = rest if row.layout == "NHWC" else (*rest[1:], rest[0])
        if channels in (3, None) or isinstance(channels, str):
            sides = {side for side in (height, width) if isinstance(side, int)} or {row.size}
            if len(sides) == 1:
                fixed = batch if isinstance(batch, int) else None
                output, dtype = _output(outputs, row, model), _TYPES[first.type]
                return GraphShape(first.name, fixed, sides.pop(), output, dtype)
    told = "; ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
    raise ModelFileError(f"`{model}` does not take one square {row.layout} picture: {told}", OTHER)


def _output(outputs: Sequence[Any], row: Profile, model: Path) -> str:
    """Return the name of the output that the row means."""
    names: list[str] = [one.name for one in outputs]
    if isinstance(row.output, int) and -len(names) <= row.output < len(names):
        return names[row.output]
    if row.output in names:
        return str(row.output)
    raise ModelFileError(f"`{model}` has no output `{row.output}`, but {', '.join(names)}", OTHER)


def check_labels(outputs: Sequence[Any], shape: GraphShape, labels: int, model: Path) -> None:
    """Refuse a graph that says that it answers with another number than there are labels."""
    answers = next(one.shape for one in outputs if one.name == shape.output)
    if not answers or (isinstance(answers[-1], int) and answers[-1] != labels):
        raise other_labels(model, labels, answers[-1] if answers else 1)


def check_fit(row: Profile, shape: GraphShape, model: Path) -> None:
    """Refuse steps that do not end in the graph's own square."""
    ends = sized(row.fit, shape.size)
    sizes = [step.size for step in ends if step.kind != PAD]
    if not sizes or ends[-1].kind == WITHIN:
        raise ModelFileError(
            f"`{model}` takes {shape.size} px, but its pictures are not made a square of that size",
            "let `fit` in its `tagger.yaml` end as [{pad: white}, {square: bicubic}] does",
        )
    if sizes[-1] != shape.size:
        raise ModelFileError(
            f"`{model}` takes {shape.size} px, but its pictures are prepared as {sizes[-1]}",
            "fetch all files again, from the same revision of the same model",
        )


def other_labels(model: Path, labels: int, answers: int) -> ModelFileError:
    """Return the error for a graph whose answers are not one for each label."""
    return ModelFileError(
        f"`{model}` answers with {counted(answers, 'number')}, but its label file has "
        f"{counted(labels, 'label')}",
        "fetch both files again, from the same revision of the same model",
    )
