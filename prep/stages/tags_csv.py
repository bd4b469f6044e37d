"""All samples as one sheet for a spreadsheet."""

from prep.sheets.columns import EXPORTED, in_sheets
from prep.stage import NoParams, Rows, Shape, stage


@stage(
    version=2,
    reads=EXPORTED,
    writes="tags.csv",
    shape=Shape.VIEW,
    commands=("tag", "duplicates", "check", "review export"),
    main=True,
)
def tags_csv(rows: Rows, params: NoParams) -> bytes:
    """Publish tags.csv, a sheet for Excel or LibreOffice."""
    from prep.sheets import csv_text, row

    columns = in_sheets(rows.columns)
    return csv_text.dump(row.exported(rows.rows, columns), columns)
