"""The columns of the review sheet, as data: those that every sheet has, and those of stages.

A stage that declares a `Column` named as what it writes has it in every sheet, and takes back what
a person types there.
"""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from prep.dataset.sample_fields import MOST_WEIGHT
from prep.runtime import text_files
from prep.stage import Stage
from prep.tags import tag_text

# What begins what stands under `keep` until a person says yes or no; see `Stage.proposes`.
PROPOSALS = ("duplicate of ", "drop: ", "fix: ", "look: ")
NOTHING = "4oymiq"  # what `short` would work out for the many empty cells
_LETTERS = 6
_KEEP = {"yes": "yes", "no": "no", "keep": "yes", "drop": "no", "true": "yes", "false": "no"}
_BOX = re.compile(r"\d{1,7},\d{1,7},\d{1,7},\d{1,7}", re.ASCII)
_LARGEST = 1e15  # whole numbers up to here are written with all their figures


class Kind(StrEnum):
    """What the cells of a column hold."""

    DECISION = "decision"  # yes or no
    NAME = "name"  # a line that many pictures may share
    TAGS = "tags"
    CAPTION = "caption"  # words of the picture's own
    NOTE = "note"  # anything at all
    NUMBER = "number"
    BOX = "box"  # left, top, right, bottom px


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: Its header, and the artifact that it shows: lower case letters, figures and `_`.
        width: In tags.xlsx, in characters.
        least: The smallest number that it takes; `most` is the largest.
        sheet: Whether sheets show it; the page of `prep report` shows all, and both may bring it.
        proposes: Of a decision: (artifact, `Stage.proposes`) of each that proposes what it says.
    """

    name: str
    kind: Kind = Kind.NAME
    width: int = 12
    least: float = -_LARGEST
    most: float = _LARGEST
    sheet: bool = True
    proposes: tuple[tuple[str, Callable[[Any], str]], ...] = ()

    @property
    def own(self) -> bool:
        """Whether nearly every picture has words of its own in it; no words are an answer, too."""
        return self.kind in (Kind.TAGS, Kind.CAPTION)

    @property
    def one_line(self) -> bool:
        """Whether no cell of it has several lines."""
        return self.kind in (Kind.DECISION, Kind.NAME, Kind.NUMBER, Kind.BOX)

    def shown(self, value: Any) -> str:
        """Return the cell that shows a value of the artifact; None is an empty one."""
        if value is None:
            return ""
        if self.kind is Kind.TAGS:
            return tag_text.joined(value, escape=False)
        return _written(value) if self.kind is Kind.NUMBER else str(value)

    def proposed(self, sample: Mapping[str, Any]) -> str:
        """Return what is proposed of a sample, where a person has decided nothing yet.

        Args:
            sample: Artifact -> value; None for one that it does not have.
        """
        each = ((sample.get(name), proposes) for name, proposes in self.proposes)
        said = (proposes(value) for value, proposes in each if value is not None)
        return "; ".join(words for words in said if words)

    def said(self, cell: str) -> str:
        """Return what a cell means: two cells that say the same are no edit of each other.

        Line ends, spaces around, and Unicode's forms of a letter say nothing; nor do spaces between
        tags, upper case of yes and no, and a decimal comma.
        """
        text = cell.strip()
        if not (text.isascii() and text.isprintable()):  # nearly every cell is plain
            text = text.replace("\r\n", "\n").replace("\r", "\n")
            text = unicodedata.normalize("NFC", text_files.without_controls(text)).strip()
        if not text:
            return ""
        if self.kind is Kind.TAGS:
            return tag_text.joined(tag_text.parsed(text), escape=False)
        if self.kind is Kind.DECISION:
            return _KEEP.get(text.lower(), text)
        if self.kind is Kind.BOX:
            return ",".join(text.replace(",", " ").split())
        if self.kind is Kind.NUMBER:
            with suppress(ValueError):
                return _written(float(text.replace(",", ".")))
        return text

    def digest(self, cell: str) -> str:
        """Return a short digest of what a cell says."""
        return short(self.said(cell)) if cell else NOTHING

    def parsed(self, value: Any) -> Any:
        """Return the artifact that stages read where a person wrote a value."""
        if self.kind is Kind.TAGS:
            return list(tag_text.parsed(value))
        if self.kind is Kind.CAPTION:
            return str.strip(value)
        return float(value) if self.kind is Kind.NUMBER else value

    def decides(self, cell: str) -> bool:
        """Return whether what a person left there is their word; else the machine's holds."""
        if self.kind is Kind.DECISION and cell.startswith(PROPOSALS):
            return False
        return bool(cell) or self.own

    def hint(self, cell: str) -> str:
        """Return what to write in place of what the column cannot hold; empty where it can."""
        if not cell:
            return ""
        if self.kind is Kind.BOX and not _is_box(cell):
            return "write left, top, right and bottom in px, as 10,20,300,400"
        if self.kind is Kind.NUMBER:
            with suppress(ValueError):
                if self.least <= float(cell) <= self.most:
                    return ""
            least = f" from {self.least:g}" if self.least > -_LARGEST else ""
            return f"write a number{least}" + (f" to {self.most:g}" if self.most < _LARGEST else "")
        decided = cell in ("yes", "no") or cell.startswith(PROPOSALS)
        return "" if decided or self.kind is not Kind.DECISION else "write yes or no"


Columns = Mapping[str, Column]

# What every sheet has, in the order of its columns.
WORDS: Columns = {
    column.name: column
    for column in (
        Column("keep", Kind.DECISION, 14),
        Column("rating"),
        Column("tags", Kind.TAGS, 60),
        Column("caption", Kind.CAPTION, 44),
        Column("concept"),
        Column("weight", Kind.NUMBER, 8, 0, MOST_WEIGHT),
        Column("notes", Kind.NOTE, 30),
    )
}

# What a person may bring where a stage declares it as something that they may write.
FIELDS: Columns = {"crop_box": Column("crop_box", Kind.BOX, 16, sheet=False)}

# What a sheet reads of each sample, beside what stages declare columns for.
EXPORTED = ("digest", *(f"{name}?" for name in WORDS))


def columns_of(stages: Iterable[Stage]) -> Columns:
    """Return name -> column: what every sheet has, then what the stages declare.

    Last come fields of a person that sheets do not show.
    """
    own = tuple(stages)
    proposes = tuple((one.writes, one.proposes) for one in own if one.proposes is not None)
    columns = {**WORDS, "keep": replace(WORDS["keep"], proposes=proposes)}
    columns |= {one.column.name: one.column for one in own if one.column is not None}
    fields = {field.name for one in own for field in one.fields}
    return columns | {name: one for name, one in FIELDS.items() if name in fields}


def in_sheets(columns: Columns) -> Columns:
    """Return the columns that sheets show."""
    return {name: column for name, column in columns.items() if column.sheet}


def _is_box(cell: str) -> bool:
    if not _BOX.fullmatch(cell):
        return False
    left, top, right, bottom = map(int, cell.split(","))
    return left < right and top < bottom


def short(text: str) -> str:
    """Return a short digest of a text: 30 bits, so one edit in 10^9 is overlooked."""
    if not text:
        return NOTHING
    # Five bytes are the first eight letters.
    made = base64.b32encode(hashlib.sha256(text.encode()).digest()[:5])
    return made[:_LETTERS].decode().lower()


def _written(number: float) -> str:
    whole = abs(number) < _LARGEST and float(number).is_integer()
    return f"{number:.0f}" if whole else f"{number:g}"
