"""What boorus know of their tags: which are other words for one, and which follow from another.

Two kinds of file, as they are passed around: pairs with the header `antecedent,consequent`
(DraconicDragon/dbr-e621-lists-archive), and the lists of a1111-sd-webui-tagcomplete without a
header: name, category, count, "alias,alias". Labels become tags: spaces for underscores. Pure.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError
from prep.runtime.text_files import file_name
from prep.tags.tag_text import spaced

_PAIRS = ["antecedent", "consequent"]
_LIST = 4  # columns of a list
_SHAPES = 'write `antecedent,consequent` lines, or `name,category,count,"alias,alias"`'


class Entry(NamedTuple):
    """A line of a list: a tag and the other words for it."""

    tag: str
    aliases: tuple[str, ...]


class Relations(NamedTuple):
    """What is done with tags that are other words, or that follow from others.

    Attributes:
        aliases: Other word -> tag.
        implied: Tag -> all that follows from it.
        adds: What follows is added; else it is dropped.
    """

    aliases: Mapping[str, str] = {}
    implied: Mapping[str, tuple[str, ...]] = {}
    adds: bool = False


def known(of_aliases: str, of_implications: str, adds: bool) -> Relations:
    """Return what two files' texts say, empty for none.

    Raises:
        ConfigError: See `aliases` and `implications`.
    """
    return Relations(
        aliases(of_aliases, file_name(of_aliases, "aliases")) if of_aliases else {},
        implications(of_implications, file_name(of_implications, "implications"))
        if of_implications
        else {},
        adds,
    )


def settled(tags: Iterable[str], what: Relations) -> tuple[str, ...]:
    """Return tags in a booru's own words, with or without those that follow from others."""
    own = renamed(tags, what.aliases)
    return (with_implied if what.adds else without_implied)(own, what.implied)


def entries(text: str, name: str) -> list[Entry]:
    """Return the tags of a list, in its order; lines without a name are passed over.

    Args:
        text: The file's text.
        name: What messages call the file.

    Raises:
        ConfigError: A line has not four columns, or is no CSV.
    """
    return [
        Entry(spaced(row[0]), tuple(spaced(alias) for alias in row[3].split(",") if alias))
        for _, row in _rows(text, name, _LIST)
        if row[0].strip()
    ]


class Words(NamedTuple):
    """What is known of tags.

    Attributes:
        tags: A vocabulary, in its own order.
        aliases: Other word -> tag.
    """

    tags: tuple[str, ...] = ()
    aliases: Mapping[str, str] = {}


def words(text: str, name: str) -> Words:
    """Return the vocabulary of a list, or of a tagger's label file: CSV with a column `name`.

    Raises:
        ConfigError: It is neither.
    """
    head = next(csv.reader(io.StringIO(text.partition("\n")[0])), [])
    if "name" not in head:
        return Words(tuple(entry.tag for entry in entries(text, name)), aliases(text, name))
    rows = [row[head.index("name")] for _, row in _rows(text, name, len(head))]
    return Words(tuple(spaced(cell) for cell in rows[1:] if cell))


def aliases(text: str, name: str) -> dict[str, str]:
    """Return other word -> tag, chains followed to their end; the first line of a word counts.

    Raises:
        ConfigError: It is neither of the two files, or a word leads back to itself.
    """
    if _is_pairs(text):
        pairs = _pairs(text, name)
    else:
        found = entries(text, name)
        tags = {entry.tag for entry in found}
        pairs = [
            (alias, entry.tag) for entry in found for alias in entry.aliases if alias not in tags
        ]
    direct: dict[str, str] = {}
    for old, new in pairs:
        if old != new:
            direct.setdefault(old, new)
    return {old: _end(old, direct, name) for old in direct}


def implications(text: str, name: str) -> dict[str, tuple[str, ...]]:
    """Return tag -> all tags that follow from it, the nearest first, in the order of the file.

    Raises:
        ConfigError: It has not the header `antecedent,consequent`, or a tag follows from itself.
    """
    if not _is_pairs(text):
        raise ConfigError(
            f"`{name}` does not begin with `{','.join(_PAIRS)}`", "name a file of implications"
        )
    direct: dict[str, list[str]] = {}
    for old, new in _pairs(text, name):
        direct.setdefault(old, []).append(new)
    return {tag: _following(tag, direct, name) for tag in direct}


def renamed(tags: Iterable[str], words: Mapping[str, str]) -> tuple[str, ...]:
    """Return tags with each alias in its tag's words, each once."""
    return tuple(dict.fromkeys(words.get(tag, tag) for tag in tags))


def with_implied(tags: Iterable[str], implied: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return tags, each followed by what follows from it and is not among them."""
    own = tuple(tags)
    return tuple(
        dict.fromkeys(
            found
            for tag in own
            for found in (tag, *(more for more in implied.get(tag, ()) if more not in own))
        )
    )


def without_implied(tags: Iterable[str], implied: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return tags without those that follow from another one of them."""
    own = tuple(tags)
    known = {more for tag in own for more in implied.get(tag, ())}
    return tuple(tag for tag in own if tag not in known)


def _is_pairs(text: str) -> bool:
    return text.lstrip().partition("\n")[0].strip().split(",") == _PAIRS


def _pairs(text: str, name: str) -> list[tuple[str, str]]:
    found = []
    for line, row in _rows(text, name, len(_PAIRS)):
        old, new = (spaced(cell) for cell in row)
        if not (old and new):
            raise ConfigError(f"`{name}` line {line}: a tag is missing", "remove the line")
        found.append((old, new))
    return found[1:]


def _rows(text: str, name: str, columns: int) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, row) of a CSV file; empty lines are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if row and len(row) != columns:
                raise ConfigError(
                    f"`{name}` line {reader.line_num}: {counted(len(row), 'column')} in place of "
                    f"{columns}",
                    _SHAPES,
                )
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise ConfigError(f"`{name}` line {reader.line_num}: {error}", _SHAPES) from None


def _end(word: str, direct: Mapping[str, str], name: str) -> str:
    seen = {word}
    while word in direct:
        word = direct[word]
        if word in seen:
            raise _circle(word, name)
        seen.add(word)
    return word


def _following(tag: str, direct: Mapping[str, list[str]], name: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    left = list(direct[tag])
    while left:
        more = left.pop(0)
        if more == tag:
            raise _circle(tag, name)
        if more not in found:
            found[more] = None
            left += direct.get(more, ())
    return tuple(found)


def _circle(tag: str, name: str) -> ConfigError:
    return ConfigError(f"`{name}`: `{tag}` leads back to itself", "remove one line of the circle")
