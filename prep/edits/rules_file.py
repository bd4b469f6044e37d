r"""`tags.rules`: a YAML list of operations on pictures' words, done in their order.

    - add: [1girl, "sketch (medium)"]   # at the end, where absent
    - drop: [blurry, "* hair"]          # `*` stands for any text
    - rename: {grin: smile}             # onto a tag that is there: the two become one
    - replace: {'(\w+) eyes': '\1-eyed'}   # a regular expression, in each tag
    - first: [1girl, solo]              # to the front where present, in this order
    - where: "solo -1girl"              # only these pictures; see prep.edits.filter_parser
      caption: a portrait               # sets it; `replace_caption` rewrites it

A rule may have several operations. Every word here is a tag, as typed: `no`, `2000` and `null`
are tags too.
"""

import codecs
import json
from collections.abc import Iterable, Sequence

from prep.edits import bounded_regex, filter_parser
from prep.edits.filters import Filter, written
from prep.edits.rules import OF_CAPTION, Op, Rule
from prep.runtime import text_files
from prep.runtime.errors import ConfigError, nearest
from prep.runtime.yaml_nodes import Node, read
from prep.tags import tag_text as text_of_tags

_WHERE = "where"


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
        except (_RuleError, bounded_regex.PatternError) as mistake:
            message, hint = mistake.args
            mistakes.append((f"`{name}` line {node.line}: {message}", hint))
    if mistakes:
        raise ConfigError(*mistakes[0], others=mistakes[1:])
    return tuple(rules)


def dump(rules: Iterable[Rule]) -> str:
    """Return rules as text that can be appended to a rules file, one line for each operation."""
    return "".join(_dumped(rule) for rule in rules)


def appended(data: bytes, rules: Sequence[Rule], name: str) -> bytes:
    """Return a rules file's bytes with more rules at its end, in its encoding and line ends.

    Raises:
        ConfigError: The file has mistakes, or no rule can stand below its last line.
    """
    before = parse(text_files.decode(data), name)
    wide = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
    encoding = wide.get(data[:2], "utf-8")
    text = data.decode(encoding)
    end = "\r\n" if "\r\n" in text else "\n"
    gap = "" if text.endswith(("\n", "\ufeff")) or not text else end
    after = data + (gap + dump(rules).replace("\n", end)).encode(encoding)
    try:
        found = parse(text_files.decode(after), name)
    except ConfigError:
        found = ()
    if found != (*before, *rules):
        raise ConfigError(
            f"`{name}` is not a list to which a line `- ...` can be added",
            "write it as lines that begin with `- `, nothing before or below them",
        )
    return after


def _rule(node: Node) -> Rule:
    keys = dict(node.value) if isinstance(node.value, dict) else {}
    where = keys.pop(_WHERE, None)
    if not keys:
        raise _RuleError("a rule says what to do", "write `- drop: blurry`")
    for word in keys:
        if word not in list(Op):
            raise _RuleError(f"no rule is named `{word}`", nearest(word, [*Op, _WHERE]))
    first, *more = [_operation(Op(word), value) for word, value in keys.items()]
    return Rule(first.op, first.tags, first.new, _where(where) if where else None, tuple(more))


def _where(node: Node) -> Filter:
    if isinstance(node.value, dict | list):
        raise _RuleError("`where` is one text", 'quote it: where: "solo -1girl"')
    try:
        return filter_parser.parsed(node.raw)
    except filter_parser.FilterError as error:
        raise _RuleError(f"`where` {error.message}", error.hint) from None


def _operation(op: Op, value: Node) -> Rule:
    if op is Op.RENAME:
        return _rename(value)
    if op in (Op.REPLACE, Op.REPLACE_CAPTION):
        return _replace(op, value)
    if op is Op.CAPTION:
        return Rule(op, (_line(value, op),))
    nodes = value.value if isinstance(value.value, list) else [value]
    found = tuple(dict.fromkeys(tag for item in nodes for tag in _tags(item, op)))
    if not found:
        raise _RuleError(f"`{op}` names no tag", f"write `- {op}: tag`")
    return Rule(op, found)


def _rename(value: Node) -> Rule:
    hint = "write `- rename: {old: new}`"
    pairs = {}
    for old, new in _pairs(value, "`rename` names no old and new tag", hint).items():
        both = (text_of_tags.parsed(old), _tags(new, Op.RENAME))
        if any(len(side) != 1 for side in both):
            raise _RuleError(f"`rename` needs one new tag for one old tag, at `{old}`", hint)
        pairs[both[0][0]] = both[1][0]
    return Rule(Op.RENAME, tuple(pairs), tuple(pairs.values()))


def _replace(op: Op, value: Node) -> Rule:
    hint = rf"write `- {op}: {{'(\w+) eyes': '\1-eyed'}}`"
    pairs = _pairs(value, f"`{op}` names no pattern and new text", hint)
    new = {pattern: _line(node, op) for pattern, node in pairs.items()}
    for pattern, text in new.items():
        bounded_regex.check(pattern, text)
    return Rule(op, tuple(new), tuple(new.values()))


def _pairs(value: Node, message: str, hint: str) -> dict[str, Node]:
    if not isinstance(value.value, dict) or not value.value:
        raise _RuleError(message, hint)
    return value.value


def _line(node: Node, op: Op) -> str:
    if isinstance(node.value, dict | list):
        raise _RuleError(f"`{op}` needs text", "put it in quotes")
    return node.raw.strip() if op is Op.CAPTION else node.raw


def _tags(node: Node, op: Op) -> tuple[str, ...]:
    if isinstance(node.value, dict | list):
        raise _RuleError(f"`{op}` needs tags", 'quote a tag with special characters: ":d"')
    return text_of_tags.parsed(node.raw)


def _dumped(rule: Rule) -> str:
    lines = [f"{_WHERE}: {_json(written(rule.where))}"] if rule.where else []
    lines += [f"{one.op}: {_written(one)}" for one in (rule, *rule.then)]
    return "- " + "\n  ".join(lines) + "\n"


def _written(rule: Rule) -> str:
    """Return an operation's value in YAML's JSON form, every text quoted and escaped."""
    if rule.op in OF_CAPTION or rule.op is Op.REPLACE:
        pairs = dict(zip(rule.tags, rule.new, strict=False))
        return _json(pairs or rule.tags[0])
    old, new = (
        [text_of_tags.joined((tag,), escape=False) for tag in side]
        for side in (rule.tags, rule.new)
    )
    return _json(dict(zip(old, new, strict=True)) if rule.op is Op.RENAME else old)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
