"""A sheet's file -> its rows, whatever program saved it."""

from prep.sheets import text, workbook_text
from prep.sheets.table import Sheet


def parse(data: bytes, name: str) -> Sheet:
    """Return what a sheet holds; the format is told by its content, not its name.

    Args:
        data: XLSX or CSV.
        name: The file's name, for messages.

    Raises:
        DatasetError: It cannot be read for certain, or its columns, keys or rows are wrong.
    """
    if workbook_text.is_workbook(data):
        return workbook_text.parse(data, name)
    return text.parse(data, name)
