"""Find faces, and heads, persons and eyes: where each picture must not be cut."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prep.models.locate import Ask, FoundModel
from prep.stage import param, stage
from prep.tagging import scoring

if TYPE_CHECKING:
    from PIL import Image

_LONGEST = 1280  # px; a face of a fiftieth of the picture's longer side is still found


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    model: str = param(
        "anime-face", "detectors with commas; a later one finds what an earlier missed", model=True
    )
    threshold: float = param(0.0, "least score, 0 to 1; 0: the detector's own", ge=0, le=1)
    device: str = scoring.device()
    threads: int = scoring.threads()


def asked(params: Params) -> Sequence[Ask]:
    """Return what has to be found of the detectors."""
    from tagger_models.detectors.known_detectors import asks

    return tuple(asks(params.model))


def load(params: Params, found: tuple[FoundModel, ...]) -> Any:
    """Return the detectors, opened."""
    from tagger_models.detectors.detection import open_detection

    return open_detection(params.model, found, params.threshold, params.device, params.threads)


def fit(params: Params, loaded: Any, others: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the steps to what detectors look at."""
    from prep.images.fitting import AT_MOST, Resize

    return (Resize(AT_MOST, "LANCZOS", size=_LONGEST),)


def said(boxes: Sequence[Mapping[str, Any]]) -> str:
    """Return what a person is told of a picture: how many of each kind, and where."""
    places = (
        "{} at {},{} to {},{} px by {}".format(one["kind"], *one["box"], one["detector"])
        for one in boxes
    )
    return "; ".join(places) or "nothing"


@stage(
    version=1,
    reads=("image", "size"),
    writes="faces",
    params=Params,
    done="looked at",
    shown=said,
    models=asked,
    load=load,
    fit=fit,
)
def faces(
    image: "Image.Image", size: Sequence[int], params: Params, detection: Any
) -> list[dict[str, Any]]:
    """Find faces and the like in each picture, for crops and buckets.

    Returns:
        What was found, largest first: `box` (left, top, right, bottom px of the whole upright
        picture), `kind` (face, head, person, half body or eye), `score` (0 to 1), `detector`.
    """
    found: list[dict[str, Any]] = detection.found(image, size)
    return found
