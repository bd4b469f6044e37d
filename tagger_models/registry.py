"""The taggers we know, as rows of data: how each wants its pictures and what its answers mean.

Adding a tagger is adding a row. What the model file itself says (picture size, batch size, names
of tensors) is read from there. Knows no disk but to ask whether a name is a path.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from prep.errors import no_such
from prep.models import Ask

DEFAULT = "wd-vit-tagger-v3"
UNPINNED = "unpinned"


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
        pad: RGB, 0 to 255, of the border that makes a picture square before it is resized.
        resize: Pillow's name of the resize filter.
        size: Side of the input in px, used only where the graph leaves it open.
        activation: What turns outputs into probabilities: none or sigmoid.
        label_format: A key of `tagger_models.labels.READERS`.
        thresholds: Category -> least probability kept by default. Ratings have none: the
            likeliest one is taken.
        sources: Where each of these facts was read.
    """

    name: str
    repo: str
    revision: str
    files: tuple[str, ...]
    layout: str
    order: str
    low: float
    high: float
    pad: tuple[int, int, int]
    resize: str
    size: int
    activation: str
    label_format: str
    thresholds: Mapping[str, float]
    sources: tuple[str, ...]


def _thresholds(general: float) -> Mapping[str, float]:
    # 0.85 is what the author's own demo keeps characters at; cards give no figure per category.
    return MappingProxyType({"general": general, "character": 0.85})


# The shape that all taggers of SmilingWolf share since v2; also what an unknown model is taken for.
WD = Profile(
    name="",
    repo="",
    revision=UNPINNED,
    files=("model.onnx", "selected_tags.csv"),
    layout="NHWC",
    order="BGR",
    low=0.0,
    high=255.0,
    pad=(255, 255, 255),
    resize="BICUBIC",
    size=448,
    activation="none",
    label_format="wd-csv",
    thresholds=_thresholds(0.35),
    sources=(
        "input, labels, 0.35 and 0.85: `app.py` of the hub space SmilingWolf/wd-tagger",
        "files, 448 px, sigmoid inside the graph: the model cards of SmilingWolf's repositories",
    ),
)


def _wd(name: str, general: float, source: str) -> Profile:
    return replace(
        WD,
        name=name,
        repo=f"SmilingWolf/{name}",
        thresholds=_thresholds(general),
        sources=(*WD.sources, f"general {general}: {source}"),
    )


_CARD = "point where precision equals recall, model card"
_ROWS = (
    _wd("wd-vit-tagger-v3", 0.2614, _CARD),
    _wd("wd-swinv2-tagger-v3", 0.2653, f"{_CARD} of the v2.0 weights"),
    _wd(
        "wd-convnext-tagger-v3",
        0.2682,
        "`interrogator_names.py` of toshiaki1729/stable-diffusion-webui-dataset-tag-editor "
        "@d6c7dcef",
    ),
    _wd(
        "wd-vit-large-tagger-v3",
        0.26,
        "`models.py` of starik222/BooruDatasetTagManager @953e1856; the card was not read",
    ),
    _wd("wd-eva02-large-tagger-v3", 0.5296, f"{_CARD}, revision b25b82a0"),
    _wd("wd-v1-4-vit-tagger-v2", 0.3537, _CARD),
    _wd("wd-v1-4-convnext-tagger-v2", 0.3685, _CARD),
    _wd("wd-v1-4-convnextv2-tagger-v2", 0.3710, _CARD),
    _wd("wd-v1-4-swinv2-tagger-v2", 0.3771, _CARD),
    _wd("wd-v1-4-moat-tagger-v2", 0.3771, _CARD),
)
PROFILES: Mapping[str, Profile] = MappingProxyType({row.name: row for row in _ROWS})


def profile(name: str) -> Profile:
    """Return how the tagger called `name` is fed and read.

    Args:
        name: A row's name, a hub id, a folder, an `.onnx` file or `tiny`. What has no row is
            taken for a WD tagger.

    Raises:
        ConfigError: A bare word that is neither a row nor a path on this machine.
    """
    by_repo = {row.repo: row for row in _ROWS}
    found = PROFILES.get(name) or by_repo.get(name)
    if found:
        return found
    if name == "tiny" or "/" in name or "\\" in name or Path(name).expanduser().exists():
        return replace(WD, name=name)
    raise no_such("tagger", name, [*PROFILES, "tiny"])


def ask(name: str) -> Ask:
    """Return what `prep.models` has to find for the tagger called `name`.

    An `.onnx` file is looked for with the label file beside it.

    Raises:
        ConfigError: As for `profile`.
    """
    row = profile(name)
    model, labels = row.files
    where = row.repo or name
    if where.endswith(".onnx"):
        model, where = Path(where).name, str(Path(where).parent)
    return Ask(
        kind="tagger",
        name=where,
        patterns=(model, labels, f"{model}_data", f"{model}.data"),
        revision=None if row.revision == UNPINNED else row.revision,
        needs=(model, labels),
    )


def ask_labels(name: str) -> Ask:
    """Return what to find where only the labels of a tagger are needed: no weights are read."""
    whole = ask(name)
    labels = profile(name).files[1]
    return replace(whole, patterns=(labels,), needs=(labels,))
