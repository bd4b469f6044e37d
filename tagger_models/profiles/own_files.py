"""What a model's own files say beside its labels: its preprocessing, and its thresholds."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from prep.images.fitting import FILTERS, PAD, SQUARE, WITHIN, Resize
from prep.runtime.errors import ModelFileError
from tagger_models.labels.csv_files import CATEGORIES, text_of
from tagger_models.labels.plain_files import AGAIN

if TYPE_CHECKING:
    from prep.models.locate import FoundModel
    from tagger_models.profiles.profile import Profile

_COLOURS = {"white": (255, 255, 255), "black": (0, 0, 0)}
_TENSOR = ("convert_rgb", "to_tensor", "maybe_to_tensor")  # what we do anyway
_MODE = "balanced"  # of the presets of threshold.json


def as_the_model_says(found: "FoundModel", row: "Profile") -> "Profile":
    """Return the row with fit, mean and std as the model's `preprocess.json` has them.

    Raises:
        ModelFileError: The file is missing, damaged, or wants a step that we do not have.
    """
    if not row.input_file:
        return row
    text, name = text_of(found, row.input_file)
    if text is None:
        raise ModelFileError(
            f"`{found.path}` is not complete: it lacks {row.input_file}",
            "put the missing file there, from where the model came from",
        )
    return preprocessed(text, name, row)


def preprocessed(text: str, name: str, row: "Profile") -> "Profile":
    """Return the row with fit, mean and std as the text of a `preprocess.json` has them.

    The steps are those of deepghs/imgutils, `imgutils/preprocess/pillow.py`, under `stages` or
    `test`. A `resize` to one number keeps the aspect; it is taken only where the picture is a
    square by then. A `center_crop` is taken only where it cuts nothing.

    Raises:
        ModelFileError: It is no such file, or wants a step that we do not have.
    """
    try:
        found = json.loads(text)
        steps = found.get("stages", found.get("test"))
        names = [step["type"] for step in steps]
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError):
        raise ModelFileError(f"`{name}` is damaged: it holds no steps", AGAIN) from None
    fit: list[Resize] = []
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    for kind, step in zip(names, steps, strict=True):
        try:
            if kind == "normalize":
                mean, std = _three(step["mean"]), _three(step["std"])
            elif kind not in _TENSOR:
                fit += _fit(kind, step, fit)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ModelFileError(
                f"`{name}` asks for the step `{kind}` in a way that is not known here",
                "describe the model in a `tagger.yaml` beside it: docs/tagging.md",
            ) from None
    return replace(row, fit=tuple(fit), mean=mean, std=std, low=0.0, high=1.0)


def _fit(kind: str, step: Mapping[str, Any], before: Sequence[Resize]) -> list[Resize]:
    """Return our steps for one of theirs.

    Raises:
        KeyError, TypeError, ValueError: We have none.
    """
    size = step["size"]
    whole = size if isinstance(size, int) else None
    sides = list(size) if whole is None else [size, size]
    if len(sides) == 1:
        whole, sides = sides[0], sides * 2
    numbers = all(type(side) in (int, float) for side in sides)  # JSON's true is no size
    if len(sides) != 2 or not numbers or sides[0] != sides[1] or not 0 < int(sides[0]) <= 4096:
        raise ValueError(size)
    side = int(sides[0])
    square = bool(before) and before[-1].kind in (PAD, SQUARE)
    if kind == "pad_to_size":
        filter_ = _filter(step.get("interpolation", "bilinear"))
        colour = _COLOURS[step.get("background_color", "white")]
        return [Resize(WITHIN, filter_, size=side), Resize(PAD, colour=colour)]
    if kind == "resize" and (square or whole is None) and step.get("max_size") is None:
        return [Resize(SQUARE, _filter(step.get("interpolation", "bilinear")), size=side)]
    if kind == "center_crop" and square and before[-1].size == side:
        return []
    raise ValueError(kind)


def _filter(name: Any) -> str:
    if not isinstance(name, str) or name.upper() not in FILTERS:
        raise ValueError(name)
    return name.upper()


def _three(given: Any) -> tuple[float, float, float]:
    values = [float(one) for one in given] if isinstance(given, list) else [float(given)]
    values = values * 3 if len(values) == 1 else values
    if len(values) != 3 or not all(abs(one) < 1e6 for one in values):
        raise ValueError(given)
    return values[0], values[1], values[2]


def default_thresholds(found: "FoundModel", row: "Profile") -> Mapping[str, float]:
    """Return category -> least probability by default: the model's own file, else the row.

    Raises:
        ModelFileError: The model's file of thresholds is damaged.
    """
    if not row.threshold_file:
        return row.thresholds
    text, name = text_of(found, row.threshold_file)
    if text is None:
        return row.thresholds
    read = _of_json if name.endswith(".json") else _of_csv
    try:
        told = read(text)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, csv.Error):
        told = {}
    told.pop("rating", None)
    if not told or not all(0 <= value <= 1 for value in told.values()):
        raise ModelFileError(f"`{name}` is damaged: it holds no thresholds", AGAIN)
    # A category that the row leaves out stays out: nobody asked for years or makers as tags.
    kept = {key: told.get(key, value) for key, value in row.thresholds.items()}
    return MappingProxyType(kept)


def _of_csv(text: str) -> dict[str, float]:
    """Return the thresholds of a table from category code to threshold; the first row counts."""
    found: dict[str, float] = {}
    for row in csv.DictReader(io.StringIO(text, newline="")):
        found.setdefault(CATEGORIES[row["category"]], float(row["threshold"]))
    return found


def _of_json(text: str) -> dict[str, float]:
    """Return the thresholds of `{category: {preset: {"threshold": value}}}`."""
    told = json.loads(text)
    return {key: float(presets[_MODE]["threshold"]) for key, presets in told.items()}
