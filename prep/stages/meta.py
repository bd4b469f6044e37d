"""The dataset file: every sample with what it trains on."""

from dataclasses import dataclass

from prep.dataset.concepts import MOST_REPEATS
from prep.dataset.sample_fields import PERSONS, TEXTS
from prep.stage import IN_DATASET, Page, Rows, Shape, param, stage


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    text: str = param(
        "tags", "what trains: tags, caption, or both (tags, then the caption)", choices=TEXTS
    )
    repeats: int = param(1, "how often each picture is seen in an epoch", ge=1, le=MOST_REPEATS)
    trigger: str = param("", "word that calls the subject; in front of whatever trains")
    skip_empty: bool = param(False, "leave pictures without a text out, in place of listing them")


@stage(
    version=3,
    reads=(
        "digest", "looks", "training_words", "tags?", "caption?", "concept?", "weight?",
        "lineage?", "yours.tags?", "yours.caption?",
        *(f"{IN_DATASET}{name}?" for name in PERSONS),
    ),
    writes="meta",
    params=Params,
    shape=Shape.VIEW,
    commands=("edit",),
    link="",
)  # fmt: skip
def meta(rows: Rows, params: Params) -> Page:
    """Publish meta.json; tags, caption, text, weight, concept and split are yours to edit there.

    A picture whose words the tagger or captioner of today could not make is left out, unless a
    person wrote them: those of an earlier one never train.
    """
    from prep.dataset.first_file import first_file

    return first_file(rows, params)
