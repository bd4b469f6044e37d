r"""Tag text: parse, join, space, order. Text only.

The canonical tag inside prep is plain text: no escapes, words separated by one space, NFC. Written
out, tags are separated by a comma and a space, and a backslash before `\`, `(`, `)` or `,` makes
that character an ordinary one. A backslash before anything else is itself, so `\m/` is a tag.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable

# Emoticons keep their underscore. Nineteen are common to SmilingWolf's Space and its ports; the
# last two were found missing there among Danbooru's tags (reference/tagging.md 1.5).
KAOMOJI = frozenset(
    (
        *("0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3", "6_9"),
        *(">_o", "@_@", "^_^", "o_o", "u_u", "x_x", "|_|", "||_||"),
        *("t_t", "o_x"),
    )
)

# The order of a rendered tag list: the token limit cuts the tail, so what matters most is first.
BLOCKS = (
    "rating", "quality", "count", "character", "copyright", "artist", "species", "general", "meta",
)  # fmt: skip

# Separators of other programs: ideographic and other wide commas and semicolons, bars, a semicolon
# before a space. `steins;gate`, `;)` and `|_|` are tags.
_SEPARATOR = re.compile(
    r"[\w)]\s*(?:[\u3001\uff0c\ufe50\ufe51\uff64\uff1b\u060c\u061b]|\|+)\s*[\w(]|[\w)]\s*;\s+[\w(]"
)
_WILDCARD = re.compile(r"\{[^{}]*\}")  # `{red|blue} hat`, of which one is drawn in training
_UNDERSCORED = re.compile(r"[^\W_]_[^\W_]")
_FEWEST_WORDS = 3
_COUNT = re.compile(r"solo|no humans|(\d+\+?|multiple )(boy|girl|other)s?")
_PIECE = re.compile(r"(?:\\[\\(),]|[^,\r\n])+")
_ESCAPED = re.compile(r"\\([\\(),])")
_ALL_SPECIAL = re.compile(r"[\\(),]")
_AMBIGUOUS = re.compile(r"\\(?=[\\(),]|\Z)|,")


def canonical(tag: str) -> str:
    """Return a tag in NFC, its words separated by one space."""
    plain = tag if tag.isascii() else unicodedata.normalize("NFC", tag)
    return " ".join(plain.split())


def parsed(text: str) -> tuple[str, ...]:
    """Return the tags of a sidecar's or a cell's text, canonical, each once, in their order.

    Commas and line ends separate; empty tags are dropped; underscores and case stay as typed.
    """
    pieces = _PIECE.findall(text)
    if "\\" in text:
        pieces = [_ESCAPED.sub(r"\1", piece) for piece in pieces]
    tags = dict.fromkeys(canonical(piece) for piece in pieces)
    tags.pop("", None)
    return tuple(tags)


def joined(tags: Iterable[str], escape: bool) -> str:
    """Return tags as one line, which `parsed` turns into the same tags again.

    Args:
        tags: Canonical tags.
        escape: Escape parentheses and backslashes, for prompts and weighted captions; otherwise
            only a comma, and a backslash that would be taken for an escape.
    """
    special = _ALL_SPECIAL if escape else _AMBIGUOUS
    return ", ".join(special.sub(r"\\\g<0>", tag) for tag in tags)


def spaced(label: str, faces: Collection[str] = KAOMOJI) -> str:
    """Return a label's name as a tag: underscores are spaces, but not those of emoticons."""
    return label if label in faces else canonical(label.replace("_", " ")) or label


def block(tag: str, category: str) -> str:
    """Return which block of a list a tag belongs to: its category, or `count` (1girl, solo)."""
    return "count" if category == "general" and _COUNT.fullmatch(tag) else category


def unsplit(tag: str) -> bool:
    """Return whether a tag looks like several, with another program's separator between them.

    That is a wide comma, a bar or the like; or spaces, where words are joined by underscores.
    """
    if _SEPARATOR.search(_WILDCARD.sub("word", tag)):
        return True
    return tag.count(" ") >= _FEWEST_WORDS - 1 and bool(_UNDERSCORED.search(tag))
