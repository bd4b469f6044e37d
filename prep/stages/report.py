"""All that is known of a folder's pictures, as one page that opens from the disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prep.dataset.sample_fields import LOST_ENTRY, PERSONS, TEXTS
from prep.sheets.columns import EXPORTED
from prep.stage import IN_DATASET, Rows, Shape, param, stage


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    text: str = param("tags", "what trains: tags, caption, or both, as in `edit`", choices=TEXTS)
    resolution: int = param(
        512, "px; the buckets that are shown where `bucket` has not run yet", ge=64, le=8192
    )


def load(params: Params, found: tuple[Any, ...]) -> Callable[[Sequence[str]], list[int]]:
    """Return what counts the tokens of texts, as CLIP does."""
    from prep.models.clip_tokens import token_counter

    return token_counter(None)


@stage(
    version=1,
    reads=(
        *EXPORTED, "page_thumbnail?", "looks", "bucket?", "training_words?", "lineage?", "faces?",
        "balance?", "crop_box?", "yours.tags?", "yours.caption?",
        *(f"{IN_DATASET}{name}?" for name in (*PERSONS, LOST_ENTRY)),
    ),
    writes="report.html",
    params=Params,
    shape=Shape.VIEW,
    commands=("report",),
    load=load,
    about={"report.html": "the page of these pictures: `prep report` writes it anew"},
)  # fmt: skip
def report(rows: Rows, params: Params, count: Callable[[Sequence[str]], list[int]]) -> bytes:
    """Write a page of all pictures, to be looked at and edited in a browser: report.html."""
    from prep.report.dataset_page import page

    return page(rows, params, count)
