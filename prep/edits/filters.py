"""What `--where` and a rule's `where:` ask of a picture, and whether it answers. Pure.

A filter is a value; `filter_parser` reads it from the text that `written` gives.
"""

import operator
import re
from collections.abc import Callable, Mapping
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


_COMPARED: Mapping[Sign, Callable[[float, float], bool]] = {
    Sign.LESS: operator.lt,
    Sign.AT_MOST: operator.le,
    Sign.MORE: operator.gt,
    Sign.AT_LEAST: operator.ge,
    Sign.IS: operator.eq,
    Sign.IS_NOT: operator.ne,
}

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


@dataclass(frozen=True)
class Number:
    """How some number of a picture compares with `value`; see NUMBERS. Unknown ones never do."""

    field: str
    sign: Sign
    value: float


@dataclass(frozen=True)
class Score:
    """How a tagger's probability of one tag, in [0, 1], compares with `value`.

    What it did not keep is 0; a picture that was never scored does not answer.
    """

    tag: str
    sign: Sign
    value: float


@dataclass(frozen=True)
class Size:
    """Whether a picture is exactly so large, upright, in px."""

    width: int
    height: int


@dataclass(frozen=True)
class Has:
    """Whether there is any of it: see HAS."""

    what: str


@dataclass(frozen=True)
class Not:
    """The pictures that `of` leaves out."""

    of: "Filter"


@dataclass(frozen=True)
class And:
    """The pictures that answer all of two or more."""

    of: "tuple[Filter, ...]"


@dataclass(frozen=True)
class Or:
    """The pictures that answer any of two or more."""

    of: "tuple[Filter, ...]"


Condition = Text | Number | Score | Size | Has
Filter = Condition | Not | And | Or


def holds(asked: Filter | None, picture: PictureRecord) -> bool:
    """Return whether a picture answers a filter; all of them answer none."""
    match asked:
        case None:
            return True
        case Not():
            return not holds(asked.of, picture)
        case And():
            return all(holds(part, picture) for part in asked.of)
        case Or():
            return any(holds(part, picture) for part in asked.of)
        case _:
            return _answers(asked, picture)


def _answers(asked: Condition, picture: PictureRecord) -> bool:
    match asked:
        case Text():
            return any(like(found, asked) for found in picture.texts(asked.field))
        case Number():
            number = picture.number(asked.field)
            return number is not None and _COMPARED[asked.sign](number, asked.value)
        case Score():
            each = picture.scores or {}
            found = [score for name, score in each.items() if plain(name) == plain(asked.tag)]
            kept = max(found, default=0.0)
            return picture.scores is not None and _COMPARED[asked.sign](kept, asked.value)
        case Size():
            return picture.size == (asked.width, asked.height)
        case Has():
            there = getattr(picture, asked.what)
            return there is not None if asked.what == "scores" else bool(there)


def needs(asked: Filter | None) -> frozenset[str]:
    """Return what a filter has to know of a picture: `tags`, `caption`, `key`, `size`, ..."""
    match asked:
        case None:
            return frozenset()
        case Not():
            return needs(asked.of)
        case And() | Or():
            return frozenset[str]().union(*map(needs, asked.of))
        case Text():
            return frozenset([TEXTS[asked.field]])
        case Number():
            return frozenset([NUMBERS[asked.field]])
        case Has():
            return frozenset([HAS[asked.what]])
        case _:
            return frozenset(["size" if isinstance(asked, Size) else "scores"])


def written(asked: Filter) -> str:
    """Return the text that reads as the same filter."""
    match asked:
        case Text():
            return f"{asked.field}:{_quoted(asked.pattern, _BARE)}"
        case Number():
            return f"{asked.field}{asked.sign}{_digits(asked.value)}"
        case Score():
            return f"score:{_quoted(asked.tag, _BARE_SCORED)}{asked.sign}{_digits(asked.value)}"
        case Size():
            return f"size:{asked.width}x{asked.height}"
        case Has():
            return f"has:{asked.what}"
        case Not():
            return f"not {_inner(asked.of, And, Or)}"
        case And():
            return " and ".join(_inner(part, And, Or) for part in asked.of)
        case _:
            return " or ".join(_inner(part, Or) for part in asked.of)


def like(found: str, asked: Text) -> bool:
    """Return whether one text of a picture is like the pattern."""
    pattern = plain(asked.pattern, asked.field)
    return glob(f"*{pattern}*" if asked.field == "caption" else pattern, plain(found, asked.field))


def _inner(asked: Filter, *bracketed: type[And] | type[Or]) -> str:
    text = written(asked)
    return f"({text})" if isinstance(asked, bracketed) else text


def _quoted(text: str, bare: re.Pattern[str]) -> str:
    if bare.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _digits(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
