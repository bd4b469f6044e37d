"""Score each picture with a second tagger, whose scores are combined with the first one's.

Its scores are kept as the first one's are: another way to combine them costs no inference, and
taking a second tagger in or out costs the first one none.
"""

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

    second: str = param("", "a second tagger, to combine with the first", model=True)
    batch: int = scoring.batch()
    device: str = scoring.device()
    threads: int = scoring.threads()


@stage(
    version=1,
    reads=("image",),
    writes="second_scores",
    params=Params,
    done="scored by the second tagger",
    commands=("tag",),
    models=lambda params: scoring.asked(params.second),
    load=lambda params, found: scoring.opened(params.second, found, params),
    batch="batch",
    fit=lambda params, tagger, others: tagger.fit,
    enabled=lambda params: bool(params.second),
    packed=True,
)
def score_second(
    images: Sequence["Image.Image"], params: Params, tagger: Any
) -> list[bytes | Failed]:
    """Score each picture with a second tagger, where one is named.

    Returns:
        Per picture `packed` scores: label ids and probabilities in [0, 1], in label order; a
        picture fails that the tagger answers with no numbers.
    """
    return scoring.scored(images, tagger)
