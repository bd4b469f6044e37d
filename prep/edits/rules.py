"""What rules do to a picture's words: add, drop, rename, replace, reorder, set. Pure.

Rules of a file and one-off edits are the same values and go through the same code; `rules_file`
reads and writes them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from prep.edits.bounded_regex import replaced
from prep.edits.filters import Filter, holds, needs
from prep.edits.record import PictureRecord, glob
from prep.tags import tag_text as text_of_tags


class Op(StrEnum):
    """What a rule does."""

    DROP = "drop"
    RENAME = "rename"
    REPLACE = "replace"
    ADD = "add"
    FIRST = "first"
    CAPTION = "caption"
    REPLACE_CAPTION = "replace_caption"


PAIRED = (Op.RENAME, Op.REPLACE, Op.REPLACE_CAPTION)
OF_CAPTION = (Op.CAPTION, Op.REPLACE_CAPTION)


@dataclass(frozen=True)
class Rule:
    """One operation, or several on the same pictures.

    Attributes:
        tags: What is added, dropped or put first; for a rename, the old tags; for a replacement,
            the patterns; for a caption, its text alone.
        new: For a rename or replacement, the new text, one for each of `tags`; else empty.
        where: The pictures it is for, as they are when its turn comes; None for all.
        then: What is done after it, without a `where` of their own.
    """

    op: Op
    tags: tuple[str, ...]
    new: tuple[str, ...] = ()
    where: Filter | None = None
    then: "tuple[Rule, ...]" = ()


def led(tags: Iterable[str], trigger: str) -> tuple[str, ...]:
    """Return tags with the trigger first, each tag once; an empty one changes nothing."""
    return tuple(dict.fromkeys((*text_of_tags.parsed(trigger), *tags)))


@dataclass(frozen=True)
class Ruled:
    """A picture after rules.

    Attributes:
        taken: Tags that a rule dropped, or replaced by nothing, and that no rule brought back.
        caption: The one that a rule set another in place of; empty for none.
    """

    picture: PictureRecord
    taken: tuple[str, ...] = ()
    caption: str = ""


def changed(picture: PictureRecord, rules: Sequence[Rule]) -> PictureRecord:
    """Return a picture after all rules, as `ruled` does it."""
    return ruled(picture, rules).picture


def ruled(picture: PictureRecord, rules: Sequence[Rule]) -> Ruled:
    """Return a picture after all rules, one after the other; each tag once.

    The renames of one rule happen at the same time, so that two tags can be swapped; of its
    replacements, each sees what the one before it left.

    Raises:
        ConfigError: A pattern takes too long; see `prep.edits.bounded_regex`.
    """
    now = replace(picture, tags=tuple(dict.fromkeys(picture.tags)))
    taken: list[str] = []
    caption = ""
    for rule in rules:
        if holds(rule.where, now):
            for one in (rule, *rule.then):
                before, now = now, _done(now, one)
                taken += _taken(before, now, one)
                if one.op is Op.CAPTION and now.caption != before.caption:
                    caption = caption or before.caption
    gone = dict.fromkeys(tag for tag in taken if tag not in now.tags)
    return Ruled(now, tuple(gone), caption)


def _taken(before: PictureRecord, after: PictureRecord, rule: Rule) -> list[str]:
    """Return the tags that one operation took away and put nothing in place of."""
    gone = [tag for tag in before.tags if tag not in after.tags]
    if rule.op is Op.REPLACE:
        return [tag for tag in gone if not _replaced(tag, rule)]
    return gone if rule.op is Op.DROP else []


def reads(rules: Iterable[Rule]) -> frozenset[str]:
    """Return what has to be known of a picture, beside its tags: see `prep.edits.filters`."""
    found: set[str] = set()
    for rule in rules:
        found |= needs(rule.where)
        found |= {"caption"} if any(one.op in OF_CAPTION for one in (rule, *rule.then)) else set()
    return frozenset(found - {"tags"})


def _done(picture: PictureRecord, rule: Rule) -> PictureRecord:
    if rule.op is Op.CAPTION:
        return replace(picture, caption=rule.tags[0])
    if rule.op is Op.REPLACE_CAPTION:
        return replace(picture, caption=_rewritten(picture.caption, rule).strip())
    return replace(picture, tags=tuple(dict.fromkeys(_tags(picture.tags, rule))))


def _tags(tags: tuple[str, ...], rule: Rule) -> Iterable[str]:
    match rule.op:
        case Op.ADD:
            return (*tags, *rule.tags)
        case Op.DROP:
            return [tag for tag in tags if not _meant(tag, rule.tags)]
        case Op.RENAME:
            names = dict(zip(rule.tags, rule.new, strict=True))
            return [names.get(tag, tag) for tag in tags]
        case Op.FIRST:
            return (*(tag for tag in rule.tags if tag in tags), *tags)
        case _:
            return [new for tag in tags for new in _replaced(tag, rule)]


def _meant(tag: str, asked: tuple[str, ...]) -> bool:
    return tag in asked or any("*" in each and glob(each, tag) for each in asked)


def _replaced(tag: str, rule: Rule) -> tuple[str, ...]:
    """Return what becomes of one tag: itself, none, or several where a comma came in."""
    new = _rewritten(tag, rule)
    return (tag,) if new == tag else text_of_tags.parsed(new)


def _rewritten(text: str, rule: Rule) -> str:
    for pattern, new in zip(rule.tags, rule.new, strict=True):
        text = replaced(pattern, new, text)
    return text
