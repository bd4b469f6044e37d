"""All samples as one sheet with pictures, for Excel or LibreOffice."""

from dataclasses import dataclass

from prep.sheets.columns import EXPORTED, in_sheets
from prep.stage import Rows, Shape, param, stage


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    thumbnail: int = param(128, "longer side of the thumbnails in tags.xlsx, px", ge=16, le=512)


@stage(
    version=2,
    reads=(*EXPORTED, "graded?", "thumbnail?"),
    writes="tags.xlsx",
    params=Params,
    shape=Shape.VIEW,
    commands=("review export",),
)
def tags_xlsx(rows: Rows, params: Params) -> bytes:
    """Publish tags.xlsx, the same sheet with pictures, a column per category, and scores."""
    from prep.sheets import workbook

    columns = in_sheets(rows.columns)
    samples = workbook.shown(rows.rows, columns)
    return workbook.dump(samples, columns, params.thumbnail)
