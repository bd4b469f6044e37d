"""Propose which pictures repeat another one. Nothing is deleted: a person accepts the proposal."""

from collections.abc import Mapping
from typing import Any

from prep.likeness.proposals import proposals, remark, sentence
from prep.stage import NoParams, PersonsField, Shape, stage


@stage(
    version=2,
    reads=("appearance", "digest", "lineage?"),
    writes="duplicate_of",
    done="compared",
    remark=remark,
    shown=sentence,
    shape=Shape.DECISION,
    fields=(PersonsField("keep", drops="no"),),
)
def duplicates(
    samples: Mapping[str, tuple[Any, ...]], params: NoParams
) -> dict[str, dict[str, Any] | None]:
    """Propose which pictures repeat another; tags.csv shows it, `keep` = no accepts it.

    For each key the picture that it repeats and how, or the one that it is a variant of, which is
    never proposed; None for neither. See `prep.likeness.proposals.proposals`.
    """
    return proposals(samples)
