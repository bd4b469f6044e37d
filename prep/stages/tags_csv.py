"""All samples as one sheet for a spreadsheet."""

from dataclasses import dataclass

from prep.stage import Rows, Shape, stage


@dataclass(frozen=True)
class Params:
    """Nothing to choose."""


@stage(
    version=2,
    reads=(
        "digest", "keep?", "rating?", "tags?", "caption?", "concept?", "weight?", "notes?",
        "duplicate_of?",
    ),
    writes="tags.csv",
    params=Params,
    shape=Shape.VIEW,
    commands=("tag", "duplicates", "review export"),
    main=True,
)  # fmt: skip
def tags_csv(rows: Rows, params: Params) -> bytes:
    """Publish tags.csv, a sheet for Excel or LibreOffice."""
    from prep.sheets import csv_text, row

    return csv_text.dump(row.exported(rows.rows, rows.columns), rows.columns)
