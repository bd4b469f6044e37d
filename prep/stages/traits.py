"""Which traits of each picture its trigger word stands for, because its concept always has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prep.dataset.concepts import concept_of
from prep.stage import Shape, param, stage
from prep.tags.common_traits import PRUNE, to_prune
from prep.tags.tag_text import parsed


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    prune: float = param(0.0, PRUNE, ge=0, le=1)
    keep: str = param("", "traits that are never left out, with commas")


@stage(
    version=1,
    reads=("tags", "concept?"),
    writes="pruned",
    params=Params,
    done="",
    shown=None,
    shape=Shape.DECISION,
    commands=("edit",),
    enabled=lambda params: params.prune > 0,
)
def traits(samples: Mapping[str, tuple[Any, Any]], params: Params) -> dict[str, list[str]]:
    """Find the traits that nearly every picture of a concept has, with `--prune`.

    For each key those of its own tags; `edit` leaves them out before it applies the rules.
    """
    known = {
        key: (concept or concept_of(key).name, tags) for key, (tags, concept) in samples.items()
    }
    return to_prune(known, params.prune, parsed(params.keep))
