"""What the stages that score pictures share: how fast they go, their model, and its answers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prep.models.locate import Ask, FoundModel
from prep.stage import Failed, param
from tagger_models.scores import kept

if TYPE_CHECKING:
    from PIL import Image

_NO_NUMBERS = Failed(
    "the tagger answers it with no numbers",
    "use another tagger, or drop the picture: `keep` = no in tags.csv",
)


def batch() -> Any:
    """Return the param `batch`."""
    return param(
        0, "pictures per call of the model; 0: 1 on the CPU, else 4", ge=0, le=1024, speed=True
    )


def device() -> Any:
    """Return the param `device`."""
    return param(
        "auto",
        "auto, cpu, cuda, rocm, directml or openvino",
        speed=True,
        choices=("auto", "cpu", "cuda", "rocm", "directml", "openvino"),
    )


def threads() -> Any:
    """Return the param `threads`."""
    return param(0, "CPU threads of the tagger; 0: all cores", ge=0, le=1024, speed=True)


def asked(model: str) -> tuple[Ask, ...]:
    """Return what the tagger of this name consists of."""
    from tagger_models.profiles.registry import ask

    return (ask(model),)


def labels_of(params: Any) -> tuple[Ask, ...]:
    """Return where the labels of the taggers are that params name: `model`, and `second` if any."""
    from tagger_models.vocabulary import asks

    return asks(params.model, params.second)


def scores_for(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the scores that tags are made of: with a second tagger, those of both together."""
    return ("combined_scores",) if values.get("second") else ("scores",)


def opened(model: str, found: Sequence[FoundModel], params: Any) -> Any:
    """Return the tagger of this name, opened; its heavy imports happen here.

    Args:
        params: They have the `device` and `threads` that are declared here.
    """
    from tagger_models.onnx.tagger import open_tagger
    from tagger_models.profiles.registry import profile

    return open_tagger(found[0], profile(model), params.device, params.threads)


def scored(images: Sequence["Image.Image"], tagger: Any) -> list[bytes | Failed]:
    """Return each picture's scores as they are kept, or that the tagger has none for it.

    Args:
        images: Pictures that were fitted to the tagger's square.
        tagger: What `opened` returned.
    """
    import numpy as np

    scores = tagger.score(images)
    lacking = np.isnan(scores).any(axis=1)
    each = zip(kept(tagger.labels, scores), lacking, strict=True)
    return [_NO_NUMBERS if none else found for found, none in each]
