"""All tags as a table for pivot tables."""

from prep.sheets.columns import EXPORTED, in_sheets
from prep.stage import NoParams, Rows, Shape, stage


@stage(
    version=1,
    reads=(*EXPORTED, "graded?"),
    writes="tags_long.csv",
    shape=Shape.VIEW,
    commands=("review export",),
    about={
        "tags_long.csv": "a sheet to look at: it is written anew, what you edit in it is not read"
    },
)
def tags_long(rows: Rows, params: NoParams) -> bytes:
    """Publish tags_long.csv, one line a picture and tag, for pivot tables."""
    from prep.sheets import long_form, workbook

    columns = in_sheets(rows.columns)
    return long_form.dump(workbook.shown(rows.rows, columns), columns)
