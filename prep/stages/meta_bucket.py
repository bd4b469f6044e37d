"""The dataset file with a bucket for every sample."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prep.dataset.sample_fields import PERSONS
from prep.runtime.counts import counted
from prep.stage import IN_DATASET, NoParams, Page, Rows, Shape, stage

if TYPE_CHECKING:
    from prep.dataset.dataset_file import Sample


@stage(
    version=2,
    reads=("digest", "bucket", *(f"{IN_DATASET}{name}?" for name in PERSONS)),
    writes="meta_bucket",
    shape=Shape.VIEW,
    commands=("bucket",),
    link="_bucket",
)
def meta_bucket(rows: Rows, params: NoParams) -> Page:
    """Publish meta_bucket.json."""
    from prep.dataset.chain import continued, page

    made = continued(rows.facts, rows.rows, rows.left_out, _bucketed)
    buckets = {sample.bucket for sample in made.samples.values()}
    told = page(made, rows.facts["file"])
    return replace(told, counts=counted(len(buckets), "bucket"))


def _bucketed(sample: "Sample", row: Any) -> "Sample":
    found = row["bucket"]
    return replace(
        sample,
        bucket=tuple(found["bucket"]),
        size=tuple(found["size"]),
        crop=tuple(found["crop"]),
    )
