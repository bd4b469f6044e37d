"""One row of the review sheet, and the revision that tells what was exported.

A revision holds a short digest of the picture and, by its column's name, of each cell that was not
empty when it was exported. So a sheet tells by itself which of its cells were edited, however old
it is, wherever it has been, and whatever columns were added since; and to whom a row belongs,
whatever became of its key.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from prep.sheets.columns import NOTHING, WORDS, Columns, short
from prep.tags import tag_text

_TAGS = WORDS["tags"]
_PICTURE = 10
_CELL = "[a-z2-7]{6}"
_NAMED = re.compile(
    rf"v2\.([0-9a-f]{{{_PICTURE}}})((?:\.[a-z0-9_]+-{_CELL})*):({_CELL})((?:{_CELL})*)"
)
# Before there was a version, the digests of these columns came one after the other.
_FIRST_COLUMNS = ("keep", "rating", "tags", "caption", "concept", "weight", "notes")
_FIRST = re.compile(
    rf"r([0-9a-f]{{{_PICTURE}}})((?:{_CELL}){{{len(_FIRST_COLUMNS)}}})({_CELL})((?:{_CELL})*)"
)


@dataclass(frozen=True)
class Row:
    """One sample's row, as text.

    Attributes:
        key: The sample's key.
        cells: Column -> its cell, of the columns that the sheet has.
        columns: What is known of them, and of others.
        revision: See `revised`.
    """

    key: str
    cells: Mapping[str, str]
    columns: Columns = field(compare=False, repr=False)
    revision: str = ""

    def __getitem__(self, name: str) -> str:
        """Return a cell; an empty one for a column that the sheet does not have."""
        return self.cells.get(name, "")

    def said(self, name: str) -> str:
        """Return what a cell means, see `Column.said`."""
        return self.columns[name].said(self[name])

    def digest(self, name: str) -> str:
        """Return a short digest of what a cell says."""
        return self.columns[name].digest(self[name])


@dataclass(frozen=True)
class Revision:
    """What a revision says.

    Attributes:
        picture: See `mark`.
        cells: Column -> digest of the cell that was exported.
        tag_set: Digest of its tags in any order, see `digest_of_set`.
        categories: Digests (`short`) of the categories whose tags had a column.
    """

    picture: str
    cells: Mapping[str, str]
    tag_set: str
    categories: frozenset[str] = frozenset()

    def exported(self, name: str) -> str:
        """Return the digest of a cell as it was exported: of nothing where there was no column."""
        return self.cells.get(name, NOTHING)


def digest_of_set(cell: str) -> str:
    """Return a short digest of the tags of a cell, whatever their order."""
    return short("\0".join(sorted(tag_text.parsed(_TAGS.said(cell)))))


def mark(picture: str) -> str:
    """Return by what a revision knows a picture: the beginning of its SHA-256."""
    return picture[:_PICTURE]


def revised(row: Row, picture: str, categories: Iterable[str] = ()) -> Row:
    """Return a row with its revision.

    It is a word that begins with a letter, so that no spreadsheet takes it for a number, and one
    that was cut at its end is no whole one.

    Args:
        row: As it is exported.
        picture: SHA-256 of the picture, in hexadecimal.
        categories: Those whose tags have a column in the sheet.
    """
    digests = {name: row.digest(name) for name, cell in row.cells.items() if cell}
    named = "".join(f".{name}-{digest}" for name, digest in digests.items())
    last = "".join([digest_of_set(row["tags"]), *map(short, categories)])
    return replace(row, revision=f"v2.{mark(picture)}{named}:{last}")


def revision(row: Row) -> Revision | None:
    """Return what the revision of a row says; None where it is not whole."""
    text = row.revision.strip()
    named = _NAMED.fullmatch(text)
    found = named or _FIRST.fullmatch(text)
    if found is None:
        return None
    picture, cells, tag_set, categories = found.groups()
    if named:
        digests = dict(cell.split("-") for cell in cells.split(".")[1:])
    else:
        digests = dict(zip(_FIRST_COLUMNS, _digests(cells), strict=True))
    return Revision(picture, digests, tag_set, frozenset(_digests(categories)))


def _digests(text: str) -> list[str]:
    return re.findall(_CELL, text)


def exported(samples: Mapping[str, Mapping[str, Any]], columns: Columns) -> Iterator[Row]:
    """Yield the rows of a sheet, in the order of keys.

    `keep` shows what is proposed until a person says yes or no.

    Args:
        samples: Key -> artifact -> value: digest, and what the columns show and propose.
        columns: Those of the sheet.
    """
    for key in sorted(samples):
        yield exported_row(key, samples[key], columns)


def exported_row(key: str, sample: Mapping[str, Any], columns: Columns) -> Row:
    """Return the row of one sample, see `exported`."""
    cells = {name: column.shown(sample.get(name)) for name, column in columns.items()}
    cells["keep"] = cells["keep"] or columns["keep"].proposed(sample)
    return revised(Row(key, cells, columns), sample["digest"])
