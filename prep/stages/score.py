"""Score each picture with a tagger: one probability per label."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


@stage(
    version=1,
    reads=("image",),
    writes="scores",
    params=Params,
    done="scored",
    commands=("tag",),
    models=lambda params: scoring.asked(params.model),
    load=lambda params, found: scoring.opened(params.model, found, params),
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
