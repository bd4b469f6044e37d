"""A label file -> labels with categories. Knows no picture and opens no model.

The category is read from the file, never from the place of a row. Names are kept to the letter:
`null`, `nan`, `=_=` and quotes are names like any other.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from prep.runtime.counts import counted
from prep.runtime.errors import ModelFileError
from prep.runtime.files import MOST_TABLE, content
from tagger_models.labels.label import Label
from tagger_models.labels.plain_files import (
    AGAIN,
    distinct,
    index_labels,
    line_labels,
    mapping_labels,
    printable,
    series_of,
)

if TYPE_CHECKING:
    from prep.models.locate import FoundModel

_HEADER = ("tag_id", "name", "category", "count")

# 9 and the codes of Danbooru (0, 1, 3, 4, 5): the WD files; 10: Camie's `tagging/camie.py` in
# deepghs/imgutils.
CATEGORIES: Mapping[str, str] = {
    "0": "general",
    "1": "artist",
    "3": "copyright",
    "4": "character",
    "5": "meta",
    "9": "rating",
    "10": "year",
}
# Source: e621.net, wiki page 11262.
E621: Mapping[str, str] = {
    "0": "general",
    "1": "artist",
    "3": "copyright",
    "4": "character",
    "5": "species",
    "6": "invalid",
    "7": "meta",
    "8": "lore",
    "9": "rating",
}
NAMES = frozenset((*CATEGORIES.values(), *E621.values(), "quality", "model"))


def csv_labels(
    text: str, name: str, codes: Mapping[str, str] = CATEGORIES, header: Sequence[str] = ()
) -> tuple[Label, ...]:
    """Return the labels of a CSV file, in file order: the order of the model's outputs.

    Columns are found by name: `name` and `category`, and where they are there `best_threshold`
    and `ips`, a JSON list of the works a character belongs to.

    Args:
        text: The file's text.
        name: What messages call the file.
        codes: Category as the file writes it -> our word for it.
        header: What the first line has to be; empty for any that has `name` and `category`.

    Raises:
        ModelFileError: Another header, a torn row, an empty or unprintable name, an unknown
            category or threshold, a label given twice, or no label at all.
    """
    rows = _rows(text, name, header)
    each = ((f"line {at}", _label(row, f"`{name}` line {at}", codes)) for at, row in rows)
    return distinct(each, name)


wd_labels = partial(csv_labels, header=_HEADER)

# Label format of a profile -> its reader.
READERS: Mapping[str, Callable[[str, str], tuple[Label, ...]]] = {
    "wd-csv": wd_labels,
    "csv": csv_labels,
    "e621-csv": partial(csv_labels, codes=E621),
    "lines": line_labels,
    "index-json": index_labels,
    "mapping-json": mapping_labels,
}


def _rows(text: str, name: str, wanted: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, column -> cell) of every row below the header."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if (wanted and tuple(header) != tuple(wanted)) or not {"name", "category"} <= {*header}:
            what = f"is not `{','.join(wanted)}`" if wanted else "has no `name` and `category`"
            raise ModelFileError(
                f"`{name}` is not a label file: its first line {what}",
                "use the label file that was published with the model",
            )
        for row in reader:
            if len(row) != len(header):
                where = f"`{name}` line {reader.line_num}"
                raise ModelFileError(
                    f"{where}: {counted(len(row), 'column')} in place of {len(header)}", AGAIN
                )
            yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise ModelFileError(f"`{name}` line {reader.line_num}: {error}", AGAIN) from None


def _label(row: Mapping[str, str], where: str, codes: Mapping[str, str]) -> Label:
    name, category = printable(row["name"], where), row["category"]
    if category not in codes:
        known = ", ".join(f"{code} {word}" for code, word in codes.items())
        raise ModelFileError(f"{where}: category `{category}` is not known", f"known: {known}")
    least = row.get("best_threshold", "")
    series = series_of(row.get("ips", ""), where)
    return Label(name, codes[category], _threshold(least, where) if least else None, series)


def _threshold(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ModelFileError(f"{where}: `{text}` is not a threshold between 0 and 1", AGAIN)
    return value


def text_of(found: "FoundModel", name: str) -> tuple[str | None, str]:
    """Return the text of a model's file, by its name in the model's folder, and its path.

    Raises:
        ModelFileError: It is not UTF-8 text.
    """
    path = next((p for p, _, _ in found.files if p == found.path / name), None)
    if path is None:
        return None, name
    try:
        return content(path, MOST_TABLE).decode("utf-8-sig"), str(path)
    except UnicodeDecodeError:
        raise ModelFileError(f"`{path}` is not UTF-8 text", "fetch the file again") from None
