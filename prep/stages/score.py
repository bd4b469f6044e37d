"""Score each picture with a tagger: one probability per label."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prep.models.locate import Ask, FoundModel
from prep.stage import Failed, param, stage
from prep.tagging import scoring

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    model: str = param("wd-vit-tagger-v3", "a tagger: name, hub id, folder or `tiny`", model=True)
    batch: int = scoring.batch()
    device: str = scoring.device()
    threads: int = scoring.threads()


def models(params: Params) -> tuple[Ask, ...]:
    """Return what the tagger consists of."""
    return scoring.asked(params.model)


def load(params: Params, found: tuple[FoundModel, ...]) -> Any:
    """Open the tagger."""
    return scoring.opened(params.model, found, params)


@stage(
    version=1,
    reads=("image",),
    writes="scores",
    params=Params,
    done="scored",
    commands=("tag",),
    models=models,
    load=load,
    batch="batch",
    fit=lambda params, tagger, others: tagger.fit,
    packed=True,
)
def score(images: Sequence["Image.Image"], params: Params, tagger: Any) -> list[bytes | Failed]:
    """Score each picture with a tagger.

    Returns:
        Per picture `packed` scores: label ids and probabilities in [0, 1], in label order; a
        picture fails that the tagger answers with no numbers.
    """
    return scoring.scored(images, tagger)
