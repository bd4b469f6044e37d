"""All samples as one sheet for a spreadsheet."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from prep import sheet, tags
from prep.stage import Rows, Shape, stage


@dataclass(frozen=True)
class Params:
    """Nothing to choose."""


@stage(
    version=1,
    reads=(
        "digest", "keep?", "rating?", "tags?", "caption?", "concept?", "weight?", "notes?",
        "duplicate_of?",
    ),
    writes="tags.csv",
    params=Params,
    shape=Shape.VIEW,
    commands=("tag", "duplicates", "review export"),
)  # fmt: skip
def tags_csv(rows: Rows, params: Params) -> bytes:
    """Publish tags.csv, a sheet for Excel or LibreOffice."""
    return sheet.dump(_row(key, row) for key, row in sorted(rows.rows.items()))


def _row(key: str, row: Mapping[str, Any]) -> sheet.Row:
    """Return one line; `keep` shows a proposed duplicate until a person says yes or no."""
    repeats = row["duplicate_of"]
    cells = {
        "keep": row["keep"] or (f"duplicate of {repeats}" if repeats else ""),
        "rating": row["rating"] or "",
        "tags": tags.joined(row["tags"] or (), False),
        "caption": row["caption"] or "",
        "concept": row["concept"] or "",
        "weight": "" if row["weight"] is None else f"{row['weight']:g}",
        "notes": row["notes"] or "",
    }
    exported = sheet.Row(key=key, **cells)
    return replace(exported, revision=sheet.revision(exported))
