"""A sheet's file -> its rows, whatever program saved it."""

from typing import BinaryIO

from prep.sheets import csv_text, page_edits, workbook_text
from prep.sheets.columns import Columns
from prep.sheets.table import ReturnedSheet


def parse(file: BinaryIO, name: str, columns: Columns) -> ReturnedSheet:
    """Return what a sheet holds; the format is told by its content, not its name.

    Args:
        file: XLSX, CSV, or the edits of a report. Its rows are read one by one, while it is open.
        name: The file's name, for messages.
        columns: Those that a sheet may have.

    Raises:
        DatasetError: It cannot be read for certain; or, once its rows are read, they are wrong.
    """
    file.seek(0)
    if page_edits.is_edits(file.read(page_edits.BEGINNING)):
        return page_edits.parse(file, name, columns)
    file.seek(0)
    if workbook_text.is_workbook(file.read(workbook_text.BEGINNING)):
        return workbook_text.parse(file, name, columns)
    return csv_text.parse(file, name, columns)
