"""What `--where` and a rule's `where:` ask of a picture, and whether it answers. Pure.

A filter is a value; `filter_text` reads it from the text that `written` gives.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from prep.edits.record import PictureRecord, glob, plain


class Sign(StrEnum):
    """How a number is compared."""

    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    IS = "="
    IS_NOT = "!="


# What can be asked -> what has to be known of a picture to answer: parts of Picture.
TEXTS: Mapping[str, str] = {"tag": "tags", "caption": "caption", "name": "key", "path": "key"}
NUMBERS: Mapping[str, str] = {
    "width": "size",
    "height": "size",
    "ratio": "size",
    "tags": "tags",
    "chars": "caption",
    "tokens": "tokens",
}
HAS: Mapping[str, str] = {"tags": "tags", "caption": "caption", "scores": "scores"}

_BARE = re.compile(r"[^\s\"\\()]+")
_BARE_SCORED = re.compile(r"[^\s\"\\()<>=!]+")


@dataclass(frozen=True)
class Text:
    """Whether some text of a picture is like `pattern`; see TEXTS.

    A tag, a name (with or without its suffix) and a path are like it as a whole, a caption in
    some part of it.
    """

    field: str
    pattern: str

    def holds(self, picture: PictureRecord) -> bool:
        """Return whether a picture answers."""
        return any(like(found, self) for found in picture.texts(self.field))

    def needs(self) -> frozenset[str]:
        """Return what has to be known of a picture: `tags`, `caption`, `key`, `size`, ..."""
        return frozenset([TEXTS[self.field]])

    def written(self) -> str:
        """Return the text that reads as the same filter."""
        return f"{self.field}:{_quoted(self.pattern, _BARE)}"


@dataclass(frozen=True)
class Number:
    """How some number of a picture compares with `value`; see NUMBERS. Unknown ones never do."""

    field: str
    sign: Sign
    value: float

    def holds(self, picture: PictureRecord) -> bool:
        """Return whether a picture answers."""
        number = picture.number(self.field)
        return number is not None and compared(number, self.sign, self.value)

    def needs(self) -> frozenset[str]:
        """Return what has to be known of a picture."""
        return frozenset([NUMBERS[self.field]])

    def written(self) -> str:
        """Return the text that reads as the same filter."""
        return f"{self.field}{self.sign}{_digits(self.value)}"


@dataclass(frozen=True)
class Score:
    """How a tagger's probability of one tag, in [0, 1], compares with `value`.

    What it did not keep is 0; a picture that was never scored does not answer.
    """

    tag: str
    sign: Sign
    value: float

    def holds(self, picture: PictureRecord) -> bool:
        """Return whether a picture answers."""
        if picture.scores is None:
            return False
        wanted = plain(self.tag)
        found = [score for name, score in picture.scores.items() if plain(name) == wanted]
        return compared(max(found, default=0.0), self.sign, self.value)

    def needs(self) -> frozenset[str]:
        """Return what has to be known of a picture."""
        return frozenset(["scores"])

    def written(self) -> str:
        """Return the text that reads as the same filter."""
        return f"score:{_quoted(self.tag, _BARE_SCORED)}{self.sign}{_digits(self.value)}"


@dataclass(frozen=True)
class Size:
    """Whether a picture is exactly so large, upright, in px."""

    width: int
    height: int

    def holds(self, picture: PictureRecord) -> bool:
        """Return whether a picture answers."""
        return picture.size == (self.width, self.height)

    def needs(self) -> frozenset[str]:
        """Return what has to be known of a picture."""
        return frozenset(["size"])

    def written(self) -> str:
        """Return the text that reads as the same filter."""
        return f"size:{self.width}x{self.height}"


@dataclass(frozen=True)
class Has:
    """Whether there is any of it: see HAS."""

    what: str

    def holds(self, picture: PictureRecord) -> bool:
        """Return whether a picture answers."""
        found = getattr(picture, self.what)
        return found is not None if self.what == "scores" else bool(found)

    def needs(self) -> frozenset[str]:
        """Return what has to be known of a picture."""
        return frozenset([HAS[self.what]])

    def written(self) -> str:
        """Return the text that reads as the same filter."""
        return f"has:{self.what}"


@dataclass(frozen=True)
class Not:
    """The pictures that `of` leaves out."""

    of: "Filter"

    def holds(self, picture: PictureRecord) -> bool:
        """Return whether a picture answers."""
        return not self.of.holds(picture)

    def needs(self) -> frozenset[str]:
        """Return what has to be known of a picture."""
        return self.of.needs()

    def written(self) -> str:
        """Return the text that reads as the same filter."""
        return f"not {_inner(self.of, And, Or)}"


@dataclass(frozen=True)
class And:
    """The pictures that answer all of two or more."""

    of: "tuple[Filter, ...]"

    def holds(self, picture: PictureRecord) -> bool:
        """Return whether a picture answers."""
        return all(part.holds(picture) for part in self.of)

    def needs(self) -> frozenset[str]:
        """Return what has to be known of a picture."""
        return frozenset().union(*(part.needs() for part in self.of))

    def written(self) -> str:
        """Return the text that reads as the same filter."""
        return " and ".join(_inner(part, And, Or) for part in self.of)


@dataclass(frozen=True)
class Or:
    """The pictures that answer any of two or more."""

    of: "tuple[Filter, ...]"

    def holds(self, picture: PictureRecord) -> bool:
        """Return whether a picture answers."""
        return any(part.holds(picture) for part in self.of)

    def needs(self) -> frozenset[str]:
        """Return what has to be known of a picture."""
        return frozenset().union(*(part.needs() for part in self.of))

    def written(self) -> str:
        """Return the text that reads as the same filter."""
        return " or ".join(_inner(part, Or) for part in self.of)


Filter = Text | Number | Score | Size | Has | Not | And | Or


def like(found: str, asked: Text) -> bool:
    """Return whether one text of a picture is like the pattern."""
    pattern = plain(asked.pattern, asked.field)
    return glob(f"*{pattern}*" if asked.field == "caption" else pattern, plain(found, asked.field))


def compared(number: float, sign: Sign, value: float) -> bool:
    """Return whether `number sign value` holds."""
    less, same = number < value, number == value
    return {
        Sign.LESS: less,
        Sign.AT_MOST: less or same,
        Sign.MORE: not (less or same),
        Sign.AT_LEAST: not less,
        Sign.IS: same,
        Sign.IS_NOT: not same,
    }[sign]


def _inner(asked: Filter, *bracketed: type[And] | type[Or]) -> str:
    text = asked.written()
    return f"({text})" if isinstance(asked, bracketed) else text


def _quoted(text: str, bare: re.Pattern[str]) -> str:
    if bare.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _digits(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
