"""Score each picture with a second tagger, whose scores are combined with the first one's.

Its scores are kept as the first one's are: another way to combine them costs no inference, and
taking a second tagger in or out costs the first one none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prep.models import Ask, Found
from prep.scores import kept
from prep.stage import param, stage

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    second: str = param("", "a second tagger, to combine with the first", path=True)
    batch: int = param(4, "pictures per call of the model", ge=1, speed=True)
    device: str = param(
        "auto",
        "auto, cpu, cuda, rocm, directml or openvino",
        speed=True,
        choices=("auto", "cpu", "cuda", "rocm", "directml", "openvino"),
    )
    threads: int = param(0, "CPU threads of the tagger; 0: all cores", ge=0, speed=True)


def models(params: Params) -> tuple[Ask, ...]:
    """Return what the tagger consists of."""
    from tagger_models.registry import ask

    return (ask(params.second),)


def load(params: Params, found: tuple[Found, ...]) -> Any:
    """Open the tagger; its heavy imports happen here."""
    from tagger_models.onnx import open_tagger
    from tagger_models.registry import profile

    return open_tagger(found[0], profile(params.second), params.device, params.threads)


@stage(
    version=1,
    reads=("image",),
    writes="second_scores",
    params=Params,
    commands=("tag",),
    models=models,
    load=load,
    batch="batch",
    fit=lambda tagger: tagger.fit,
    wanted=lambda params: bool(params.second),
    packed=True,
)
def score_second(images: Sequence["Image.Image"], params: Params, tagger: Any) -> list[bytes]:
    """Score each picture with a second tagger, where one is named.

    Returns:
        Per picture `packed` scores: label ids and probabilities in [0, 1], in label order.
    """
    return kept(tagger.labels, tagger.score_fitted(images))
