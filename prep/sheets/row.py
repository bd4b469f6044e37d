"""One row of the review sheet: its columns, and the revision that tells what was exported.

A revision holds a short digest of the picture and of each cell as it was exported. So a sheet
tells by itself which of its cells were edited, however old it is and wherever it has been; and
to whom a row belongs, whatever became of its key.
"""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Any

from prep import tags

_KEEP = {"yes": "yes", "no": "no", "keep": "yes", "drop": "no", "true": "yes", "false": "no"}


@dataclass(frozen=True)
class Row:
    """One sample's row, as text.

    Attributes:
        key: The sample's key.
        revision: See `revised`.
        keep: `no` accepts a proposed duplicate or drops the picture.
        tags: A comma-separated list, see `prep.tags`.
    """

    key: str
    revision: str = ""
    keep: str = ""
    rating: str = ""
    tags: str = ""
    caption: str = ""
    concept: str = ""
    weight: str = ""
    notes: str = ""


COLUMNS = tuple(field.name for field in fields(Row))
# What a person may edit, in the order of the digests in a revision.
EDITABLE = COLUMNS[2:]

_PICTURE, _CELL = 10, 6
_EMPTY = "4oymiq"  # what `_short` would work out for the many empty cells
_REVISION = re.compile(
    rf"r[0-9a-f]{{{_PICTURE}}}[a-z2-7]{{{_CELL * (len(EDITABLE) + 1)}}}([a-z2-7]{{{_CELL}}})*"
)


@dataclass(frozen=True)
class Revision:
    """What a revision says.

    Attributes:
        picture: See `mark`.
        cells: Column -> digest of the cell that was exported, see `digest`.
        tag_set: Digest of its tags in any order, see `digest_of_set`.
        categories: Digests of the categories whose tags had a column, see `digest_of_category`.
    """

    picture: str
    cells: Mapping[str, str]
    tag_set: str
    categories: frozenset[str] = frozenset()


def said(column: str, cell: str) -> str:
    """Return what a cell means: two cells that say the same are no edit of each other.

    Line ends, spaces around, and Unicode's forms of a letter say nothing; nor do spaces between
    tags, upper case of yes and no, and a decimal comma.
    """
    text = cell.strip()
    if not (text.isascii() and text.isprintable()):  # nearly every cell is plain
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        text = unicodedata.normalize("NFC", tags.stripped(text)).strip()
    if not text:
        return ""
    if column == "tags":
        return tags.joined(tags.parsed(text), escape=False)
    if column == "keep":
        return _KEEP.get(text.lower(), text)
    if column == "weight":
        with suppress(ValueError):
            return f"{float(text.replace(',', '.')):g}"
    return text


def digest(column: str, cell: str) -> str:
    """Return a short digest of what a cell says: 30 bits, so one edit in 10^9 is overlooked."""
    return _short(said(column, cell)) if cell else _EMPTY


def digest_of_set(cell: str) -> str:
    """Return a short digest of the tags of a cell, whatever their order."""
    return _short("\0".join(sorted(tags.parsed(said("tags", cell)))))


def digest_of_category(name: str) -> str:
    """Return a short digest of a category's name."""
    return _short(name)


def mark(picture: str) -> str:
    """Return by what a revision knows a picture: the beginning of its SHA-256."""
    return picture[:_PICTURE]


def revised(row: Row, picture: str, categories: Iterable[str] = ()) -> Row:
    """Return a row with its revision.

    It is a word that begins with a letter, so that no spreadsheet takes it for a number.

    Args:
        row: As it is exported.
        picture: SHA-256 of the picture, in hexadecimal.
        categories: Those whose tags have a column in the sheet.
    """
    digests = [digest(name, getattr(row, name)) for name in EDITABLE]
    digests += [digest_of_set(row.tags), *map(digest_of_category, categories)]
    return replace(row, revision=f"r{mark(picture)}{''.join(digests)}")


def revision(row: Row) -> Revision | None:
    """Return what the revision of a row says; None where it is not whole."""
    text = row.revision.strip()
    if not _REVISION.fullmatch(text):
        return None
    rest = text[1 + _PICTURE :]
    parts = [rest[at : at + _CELL] for at in range(0, len(rest), _CELL)]
    cells = dict(zip(EDITABLE, parts, strict=False))
    tag_set, *categories = parts[len(EDITABLE) :]
    return Revision(text[1 : 1 + _PICTURE], cells, tag_set, frozenset(categories))


def exported(samples: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """Yield the rows of a sheet, in the order of keys.

    `keep` shows a proposed duplicate until a person says yes or no.

    Args:
        samples: Key -> artifact -> value: digest, and as far as there are any keep, rating, tags,
            caption, concept, weight, notes and duplicate_of.
    """
    for key in sorted(samples):
        yield exported_row(key, samples[key])


def exported_row(key: str, sample: Mapping[str, Any]) -> Row:
    """Return the row of one sample, see `exported`."""
    repeats = sample["duplicate_of"]
    row = Row(
        key=key,
        keep=sample["keep"] or (f"duplicate of {repeats}" if repeats else ""),
        rating=sample["rating"] or "",
        tags=tags.joined(sample["tags"] or (), escape=False),
        caption=sample["caption"] or "",
        concept=sample["concept"] or "",
        weight="" if sample["weight"] is None else f"{sample['weight']:g}",
        notes=sample["notes"] or "",
    )
    return revised(row, sample["digest"])


def _short(text: str) -> str:
    if not text:
        return _EMPTY
    # Five bytes are the first eight letters.
    return base64.b32encode(hashlib.sha256(text.encode()).digest()[:5])[:_CELL].decode().lower()
