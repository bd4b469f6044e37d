"""Which sheet an edit came from: the source that the ledger keeps of it."""

from prep.engine.state.ledger_queries import Edit
from prep.runtime import text_files

SHEET = "tags.csv"
_ANOTHER = " (sheet)"  # ends the source of edits from other sheets; no sidecar's name ends so


def sheet_source(file: str) -> str:
    """Return the source of edits from a sheet of this name."""
    name = text_files.without_controls(file)
    return name if name == SHEET else name + _ANOTHER


def is_from_sheet(edit: Edit) -> bool:
    """Return whether a person wrote it into a sheet, not into a file beside the picture."""
    return edit.source == SHEET or edit.source.endswith(_ANOTHER)
