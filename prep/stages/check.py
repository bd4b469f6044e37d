"""Propose which pictures are no good. Nothing is deleted: a person accepts the proposal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prep.stage import Shape, param, stage


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    strictness: str = param(
        "standard", "how much is found: loose, standard or strict",
        choices=("loose", "standard", "strict"),
    )  # fmt: skip
    resolution: int = param(512, "px, as for `bucket`: what is too small for it", ge=64, le=8192)
    skip: str = param("", "kinds that are not looked for, with commas")


def remark(rows: Mapping[str, Any]) -> str:
    """Return how many of what was found."""
    from prep.quality.finding_text import summary

    return summary(rows)


def sentence(row: Any) -> str:
    """Return what is told of a picture: each finding, what it proposes, and why."""
    from prep.quality import finding_text

    return finding_text.sentence(row)


def proposes(row: Any) -> str:
    """Return what is proposed of a picture, and for which findings."""
    from prep.quality import finding_text

    return finding_text.proposed(row)


@stage(
    version=1,
    reads=("quality", "opacity?"),
    writes="checks",
    params=Params,
    done="checked",
    remark=remark,
    shown=sentence,
    proposes=proposes,
    shape=Shape.DECISION,
)
def check(
    samples: Mapping[str, tuple[Any, ...]], params: Params
) -> dict[str, list[dict[str, Any]] | None]:
    """Propose which pictures to drop, to fix and to look at; `keep` = no drops one.

    For each key its findings (see `prep.quality.checks`), None for none: `kind`, `propose`, `why`,
    and `box` where it is in one place, (left, top, right, bottom) px, else None.
    """
    from prep.quality import finding_text
    from prep.quality.judging import judged

    found = judged(samples, params.strictness, params.resolution, params.skip)
    return {key: finding_text.rows(several) for key, several in found.items()}
