"""A label file -> labels with categories. Knows no picture and opens no model.

The one format so far is `selected_tags.csv` of the WD family. The category is read from its
column, never from the place of a row.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from prep.errors import ModelFileError
from tagger_models.base import Label

if TYPE_CHECKING:
    from prep.models import Found
    from tagger_models.registry import Profile

_HEADER = ["tag_id", "name", "category", "count"]
_AGAIN = "fetch the file again from where the model came from"

# 9 and the codes of Danbooru (0, 1, 3, 4, 5): the WD files; 10: Camie's `tagging/camie.py` in
# deepghs/imgutils.
CATEGORIES: Mapping[str, str] = MappingProxyType(
    {
        "0": "general",
        "1": "artist",
        "3": "copyright",
        "4": "character",
        "5": "meta",
        "9": "rating",
        "10": "year",
    }
)


def wd_labels(text: str, name: str) -> tuple[Label, ...]:
    """Return the labels of a `selected_tags.csv`, in file order: the order of the model's outputs.

    Names are kept to the letter: `null`, `nan`, `=_=` and quotes are names like any other.

    Args:
        text: The file's text, with the header `tag_id,name,category,count`.
        name: What messages call the file.

    Raises:
        ModelFileError: Another header, a torn row, an empty or unprintable name, an unknown
            category, a label given twice, or no label at all.
    """
    found: dict[Label, int] = {}
    for line, row in _rows(text, name):
        label = _label(row, f"`{name}` line {line}")
        if label in found:
            raise ModelFileError(
                f"`{name}` line {line}: `{label.name}` is already on line {found[label]}", _AGAIN
            )
        found[label] = line
    if not found:
        raise ModelFileError(f"`{name}` holds no labels", _AGAIN)
    return tuple(found)


# Label format of a profile -> its reader.
READERS: Mapping[str, Callable[[str, str], tuple[Label, ...]]] = MappingProxyType(
    {"wd-csv": wd_labels}
)


def _rows(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, row) of every row below the header."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if header != _HEADER:
            raise ModelFileError(
                f"`{name}` is not a label file: its first line is not `{','.join(_HEADER)}`",
                "use the label file that was published with the model",
            )
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise ModelFileError(f"`{name}` line {reader.line_num}: {error}", _AGAIN) from None


def _label(row: list[str], where: str) -> Label:
    if len(row) != len(_HEADER):
        raise ModelFileError(f"{where}: {len(row)} columns in place of {len(_HEADER)}", _AGAIN)
    _, name, category, _ = row
    if not name.strip() or not name.isprintable():
        raise ModelFileError(f"{where}: the label's name is empty or unprintable", _AGAIN)
    if category not in CATEGORIES:
        known = ", ".join(f"{code} {word}" for code, word in CATEGORIES.items())
        raise ModelFileError(f"{where}: category `{category}` is not known", f"known: {known}")
    return Label(name, CATEGORIES[category])


def read_labels(found: "Found", row: "Profile") -> tuple[Label, ...]:
    """Return the labels of a model on this disk.

    Raises:
        ModelFileError: The label file is missing, not UTF-8, or not as the row says.
    """
    path = next((file for file, _, _ in found.files if file.name == row.files[1]), None)
    if path is None:
        raise ModelFileError(
            f"`{found.path}` has no label file beside it", f"put `{row.files[1]}` there"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ModelFileError(f"`{path}` is not UTF-8 text", "fetch the file again") from None
    return READERS[row.label_format](text, str(path))
