"""The scores of two taggers as one; see `tagger_models.ensemble` for the ways. No inference."""

from dataclasses import dataclass
from typing import Any

from prep.models.locate import FoundModel
from prep.stage import param, stage
from prep.tagging.scoring import labels_of


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    model: str = param("wd-vit-tagger-v3", "a tagger: name, hub id, folder or `tiny`", model=True)
    second: str = param("", "a second tagger, to combine with the first", model=True)
    combine: str = param(
        "union",
        "two taggers: union (either is sure), intersection (both are), or mean of their scores",
        choices=("union", "intersection", "mean"),
    )
    share: float = param(0.5, "weight of the first tagger in a mean", ge=0, le=1)


def load(params: Params, found: tuple[FoundModel, ...]) -> Any:
    """Return a function from two packed scores to one."""
    from tagger_models.ensemble import Combiner
    from tagger_models.vocabulary import of_two

    both = of_two((params.model, params.second), found)
    return Combiner(both, params.combine, params.share)


@stage(
    version=1,
    reads=("scores", "second_scores"),
    writes="combined_scores",
    params=Params,
    done="",
    commands=("tag",),
    models=labels_of,
    load=load,
    enabled=lambda params: bool(params.second),
    packed=True,
)
def combined(first: bytes, second: bytes, params: Params, combiner: Any) -> bytes:
    """Combine the scores of two taggers: union, intersection or mean.

    Returns:
        `packed` scores by the labels of both: the first one's, then those only the second knows.
    """
    scores: bytes = combiner(first, second)
    return scores
