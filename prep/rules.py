"""`tags.rules`: a YAML list of one-key operations on a picture's tags, done in their order.

    - add: [1girl, "sketch (medium)"]   # at the end, where absent
    - drop: [blurry, "* hair"]          # `*` stands for any text
    - rename: {grin: smile}             # onto a tag that is there: the two become one
    - first: [1girl, solo]              # to the front where present, in this order

Every word here is a tag, as typed: `no`, `2000` and `null` are tags too.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from prep import tags as text_of_tags
from prep.errors import ConfigError, nearest
from prep.yamlfile import Node, read


class Op(StrEnum):
    """What a rule does."""

    ADD = "add"
    DROP = "drop"
    RENAME = "rename"
    FIRST = "first"


@dataclass(frozen=True)
class Rule:
    """One operation.

    Attributes:
        tags: What is added, dropped or put first; for a rename, the old tags.
        new: For a rename, the new tags, one for each of `tags`; else empty.
    """

    op: Op
    tags: tuple[str, ...]
    new: tuple[str, ...] = ()


class _RuleError(Exception):
    """A rule that cannot be read: message and hint."""


def parse(text: str, name: str) -> tuple[Rule, ...]:
    """Return the rules of a file's text, in its order.

    Raises:
        ConfigError: All mistakes of the file at once, each with its line.
    """
    rules, mistakes = [], []
    for node in read(text, name, top=list).value:
        try:
            rules.append(_rule(node))
        except _RuleError as mistake:
            message, hint = mistake.args
            mistakes.append((f"`{name}` line {node.line}: {message}", hint))
    if mistakes:
        raise ConfigError(*mistakes[0], others=mistakes[1:])
    return tuple(rules)


def dump(rules: Iterable[Rule]) -> str:
    """Return rules as text that can be appended to a rules file, one line each."""
    return "".join(f"- {rule.op}: {_written(rule)}\n" for rule in rules)


def applied(tags: Iterable[str], rules: Sequence[Rule], trigger: str = "") -> tuple[str, ...]:
    """Return a picture's tags after all rules, each tag once.

    Args:
        tags: Canonical tags.
        rules: Done one after the other; the renames of one rule at the same time, so that two
            tags can be swapped.
        trigger: Kept first whatever the rules say, and added where absent; empty for none.
    """
    result = tuple(dict.fromkeys(tags))
    for rule in rules:
        result = tuple(dict.fromkeys(_one(result, rule)))
    lead = text_of_tags.parsed(trigger)
    return tuple(dict.fromkeys((*lead, *result)))


def _one(tags: tuple[str, ...], rule: Rule) -> Iterable[str]:
    match rule.op:
        case Op.ADD:
            return (*tags, *rule.tags)
        case Op.DROP:
            patterns = [_pattern(tag) for tag in rule.tags if "*" in tag]
            return [
                tag
                for tag in tags
                if tag not in rule.tags and not any(p.fullmatch(tag) for p in patterns)
            ]
        case Op.RENAME:
            names = dict(zip(rule.tags, rule.new, strict=True))
            return [names.get(tag, tag) for tag in tags]
        case Op.FIRST:
            return (*(tag for tag in rule.tags if tag in tags), *tags)


def _pattern(tag: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in tag.split("*")))


def _rule(node: Node) -> Rule:
    if not isinstance(node.value, dict) or len(node.value) != 1:
        raise _RuleError("a rule has one key", "write `- drop: blurry`")
    ((word, value),) = node.value.items()
    if word not in list(Op):
        raise _RuleError(f"no rule is named `{word}`", nearest(word, list(Op)))
    op = Op(word)
    if op is Op.RENAME:
        return _rename(value)
    nodes = value.value if isinstance(value.value, list) else [value]
    found = tuple(dict.fromkeys(tag for item in nodes for tag in _tags(item, op)))
    if not found:
        raise _RuleError(f"`{op}` names no tag", f"write `- {op}: tag`")
    return Rule(op, found)


def _rename(value: Node) -> Rule:
    hint = "write `- rename: {old: new}`"
    if not isinstance(value.value, dict) or not value.value:
        raise _RuleError("`rename` names no old and new tag", hint)
    pairs = {}
    for old, new in value.value.items():
        both = (text_of_tags.parsed(old), _tags(new, Op.RENAME))
        if any(len(side) != 1 for side in both):
            raise _RuleError(f"`rename` wants one new tag for one old tag, at `{old}`", hint)
        pairs[both[0][0]] = both[1][0]
    return Rule(Op.RENAME, tuple(pairs), tuple(pairs.values()))


def _tags(node: Node, op: Op) -> tuple[str, ...]:
    if isinstance(node.value, dict | list):
        raise _RuleError(f"`{op}` wants tags", 'quote a tag with special characters: ":d"')
    return text_of_tags.parsed(node.raw)


def _written(rule: Rule) -> str:
    """Return a rule's value in YAML's JSON form, every tag quoted and escaped."""
    old, new = (
        [text_of_tags.joined((tag,), escape=False) for tag in side]
        for side in (rule.tags, rule.new)
    )
    if rule.op is Op.RENAME:
        return json.dumps(dict(zip(old, new, strict=True)), ensure_ascii=False)
    return json.dumps(old, ensure_ascii=False)
