"""All tags as a table for pivot tables."""

from dataclasses import dataclass

from prep.stage import Rows, Shape, stage


@dataclass(frozen=True)
class Params:
    """Nothing to choose."""


@stage(
    version=1,
    reads=(
        "digest", "keep?", "rating?", "tags?", "caption?", "concept?", "weight?", "notes?",
        "duplicate_of?", "graded?",
    ),
    writes="tags_long.csv",
    params=Params,
    shape=Shape.VIEW,
    commands=("review export",),
    about={
        "tags_long.csv": "a sheet to look at: it is written anew, what you edit in it is not read"
    },
)  # fmt: skip
def tags_long(rows: Rows, params: Params) -> bytes:
    """Publish tags_long.csv, one line a picture and tag, for pivot tables."""
    from prep.sheets import long_form, workbook

    return long_form.dump(workbook.shown(rows.rows, rows.columns), rows.columns)
