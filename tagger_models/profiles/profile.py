"""What a tagger's row holds: how it wants its pictures and what its answers mean. Data only."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType

from prep.images.fitting import PAD, SQUARE, Resize

UNPINNED = "unpinned"
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
LAYOUTS, ORDERS, ACTIVATIONS = ("NHWC", "NCHW"), ("RGB", "BGR"), ("none", "sigmoid")

# The fields that decide a model's answers; the others say where it is, or what to do with them.
_INPUT = (
    "layout", "order", "low", "high", "mean", "std", "fit", "size", "output", "activation",
    "label_format",
)  # fmt: skip
_READING = ("label_format", "thresholds")


@dataclass(frozen=True)
class Profile:
    """How one tagger is fed and read.

    Attributes:
        name: What a person types; of a model without a row, the name that was typed.
        repo: Hub id, or "" for a model without a row.
        revision: Hub revision, or `unpinned`: then the first download pins it for this user.
        files: The model and its label file, as the hub names them.
        layout: Axis order of the input, NHWC or NCHW.
        order: Colour order of the input, RGB or BGR.
        low: Input value of black.
        high: Input value of white.
        mean: R, G, B: subtracted from the values between low and high.
        std: R, G, B: what they are then divided by.
        fit: The steps from a picture to the model's square; see `prep.images.fitting`.
        size: Side of the input in px, used only where the graph leaves it open.
        output: Which of the graph's outputs: its name, or its place (0 the first, -1 the last).
        activation: What turns outputs into probabilities: none or sigmoid.
        label_format: A key of `tagger_models.labels.csv_files.READERS`.
        thresholds: Category -> least probability kept by default; labels of other categories are
            left out. Ratings have none: the likeliest one is taken.
        input_file: A `preprocess.json` of the model that replaces fit, mean and std; "" for none.
        threshold_file: A file of the model that replaces thresholds; "" for none.
        sources: Where each of these facts was read.
    """

    name: str
    repo: str
    revision: str
    files: tuple[str, str]
    layout: str
    order: str
    low: float
    high: float
    fit: tuple[Resize, ...]
    size: int
    activation: str
    label_format: str
    thresholds: Mapping[str, float]
    sources: tuple[str, ...]
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    output: str | int = 0
    input_file: str = ""
    threshold_file: str = ""

    def input_facts(self) -> str:
        """Return, as canonical text, all that decides what the model answers to a picture."""
        return _facts(self, _INPUT)

    def reading_facts(self) -> str:
        """Return, as canonical text, all that decides what is made of its answers."""
        return _facts(self, _READING)


def _facts(row: Profile, names: tuple[str, ...]) -> str:
    values = asdict(replace(row, thresholds={}))
    values["thresholds"] = dict(row.thresholds)
    return json.dumps({name: values[name] for name in names}, sort_keys=True)


def thresholds(**given: float) -> Mapping[str, float]:
    """Return least probabilities by category, as a mapping that nobody can change."""
    return MappingProxyType(given)


# The recipe that SmilingWolf's taggers share: a white square first, then one resize.
SPACE_FIT = (Resize(PAD, colour=WHITE), Resize(SQUARE, "BICUBIC"))
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
