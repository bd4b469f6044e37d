"""Propose which pictures repeat another one. Nothing is deleted: a person accepts the proposal."""

from collections.abc import Mapping
from typing import Any

from prep.stage import NoParams, PersonsField, Shape, stage


def remark(rows: Mapping[str, Any]) -> str:
    """Return what a person should know of how so many pictures are compared."""
    from prep.likeness import proposals  # what compares is loaded where something is compared

    return proposals.remark(len(rows))


def proposes(row: Any) -> str:
    """Return which copy a picture is proposed to be dropped as."""
    from prep.likeness import proposals

    copy = proposals.proposed(row)
    return f"duplicate of {copy}" if copy else ""


def sentence(row: Any) -> str:
    """Return what is told of a picture: what it repeats, and where."""
    from prep.likeness import proposals

    return proposals.sentence(row)


@stage(
    version=3,
    reads=("appearance", "digest", "lineage?"),
    writes="duplicate_of",
    done="compared",
    remark=remark,
    proposes=proposes,
    shown=sentence,
    shape=Shape.DECISION,
    commands=("duplicates", "report"),
    fields=(PersonsField("keep", drops="no"),),
)
def duplicates(
    samples: Mapping[str, tuple[Any, ...]], params: NoParams
) -> dict[str, dict[str, Any] | None]:
    """Propose which pictures repeat another; tags.csv shows it, `keep` = no accepts it.

    For each key the picture that it repeats and how, or the one that it is a variant of, which is
    never proposed; None for neither. See `prep.likeness.proposals.proposals`.
    """
    from prep.likeness.proposals import proposals

    return proposals(samples)
