"""YAML as a person may write it in our files: plain mappings, lists and scalars, with lines.

Refused, with the line: duplicate keys, anchors and aliases, tags (`!!python/...`), nesting over 20
deep, more than 1 MB, several documents. Knows no key and no type: whoever reads a file checks its
values against what the file is for, and has each scalar's text as typed for that (`no` where a
word is meant).
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prep.runtime.errors import ConfigError
from prep.runtime.keys import one_line
from prep.runtime.text_files import without_controls

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 1 << 20
MAX_DEPTH = 20

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE, _FALSE = frozenset(("true", "yes", "on")), frozenset(("false", "no", "off"))
# Decimal only: `010`, `1:30`, `0x1F` and `1_000` mean surprising numbers in YAML 1.1.
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE)


@dataclass(frozen=True)
class Node:
    """A value and where it stands.

    Attributes:
        value: dict[str, Node], list[Node], str, int, float, bool or None. A plain `yes`, `on`,
            `no` or `off` is a bool, `1e-4` a float; what is quoted is a str.
        line: From 1; that of the key where the value has one.
        raw: A scalar's text as typed, without its quotes; empty for a mapping or list.
    """

    value: Any
    line: int
    raw: str = ""


def read(text: str, name: str, top: type[dict[str, Any]] | type[list[Any]] = dict) -> Node:
    """Return what a YAML file says; an empty one is an empty `top`.

    Args:
        text: The file's text.
        name: The file's name, for messages.
        top: What the file must be, `dict` (keys) or `list`.

    Raises:
        ConfigError: It is not YAML, uses what is refused, or is not a `top`.
    """
    import yaml

    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ConfigError(f"`{name}` is larger than 1 MB", "is it the file you meant?")
    try:
        node = _document(_Events(yaml.parse(text, Loader=yaml.SafeLoader), name))
    except yaml.YAMLError as error:
        raise _syntax_error(error, text, name) from None
    if node is None:
        return Node(top(), 1)
    if not isinstance(node.value, top):
        shape = "keys with values (`key: value`)" if top is dict else "a list (`- ...`)"
        raise ConfigError(f"`{name}` line {node.line}: this file is {shape}", "see the README")
    return node


def quote(path: str) -> str:
    """Return a path as it stands in a file of ours, in quotes where it has to.

    Raises:
        ConfigError: It holds what no line can.
    """
    if not one_line(path):
        raise ConfigError(
            f"`{path}` cannot be named in pipelines.yaml: it holds a control character",
            "rename the folder",
        )
    bare = path == path.strip() and not set(path) & set(":#\"'\\,{}[]")
    return path if bare else json.dumps(path, ensure_ascii=False)


def as_yaml(value: Any) -> str:
    """Return a value as it is written in our files: `true`, `none`, `""`, `["a", "b"]`."""
    if value is None:
        return "none"
    if value == "" or isinstance(value, bool | list | tuple | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def plain(node: Node) -> Any:
    """Return a node as plain dicts, lists and scalars."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def flow(node: Node) -> str:
    """Return a node as YAML on one line, its scalars as they were typed."""
    if isinstance(node.value, dict):
        pairs = (f"{json.dumps(key)}: {flow(child)}" for key, child in node.value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(node.value, list):
        return "[" + ", ".join(map(flow, node.value)) + "]"
    return json.dumps(node.value) if isinstance(node.value, str) else node.raw


@dataclass
class _Events:
    """The parser's events, with the name of the file for messages."""

    left: "Iterator[yaml.Event]"
    name: str

    def next(self) -> "yaml.Event":
        return next(self.left)

    def refusal(self, line: int, message: str, hint: str) -> ConfigError:
        return ConfigError(f"`{self.name}` line {line}: {message}", hint)


def _document(events: _Events) -> Node | None:
    import yaml

    events.next()  # the stream's start
    if isinstance(events.next(), yaml.StreamEndEvent):
        return None
    node = _node(events, events.next(), 0)
    events.next()  # the document's end
    following = events.next()
    if not isinstance(following, yaml.StreamEndEvent):
        raise events.refusal(
            _line(following), "a second document begins", "keep one, remove the `---`"
        )
    return None if node.value is None and node.raw == "" else node


def _node(events: _Events, event: "yaml.Event", depth: int) -> Node:
    import yaml

    line = _line(event)
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise events.refusal(
            line, "anchors and aliases (`&`, `*`) are not read", "quote the text, or repeat it"
        )
    if tag := getattr(event, "tag", None):
        raise events.refusal(line, f"the tag `{tag}` is not read", "remove it, or quote it")
    if depth > MAX_DEPTH:
        raise events.refusal(line, f"nested more than {MAX_DEPTH} deep", "use fewer levels")
    if isinstance(event, yaml.ScalarEvent):
        raw = event.value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        if without_controls(raw) != raw:  # escapes can name them: "\\0"
            raise events.refusal(line, "the text holds a control character", "remove it")
        return Node(_scalar(raw, line, events) if event.implicit[0] else raw, line, raw)
    if isinstance(event, yaml.SequenceStartEvent):
        children = []
        while not isinstance(event := events.next(), yaml.SequenceEndEvent):
            children.append(_node(events, event, depth + 1))
        return Node(children, line)
    return Node(_mapping(events, depth), line)


def _line(event: "yaml.Event") -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _mapping(events: _Events, depth: int) -> dict[str, Node]:
    import yaml

    found: dict[str, Node] = {}
    while not isinstance(event := events.next(), yaml.MappingEndEvent):
        key = _node(events, event, depth + 1)
        if isinstance(key.value, dict | list):
            raise events.refusal(key.line, "a key must be one word", "write `key: value`")
        if key.raw in found:
            first = found[key.raw].line
            raise events.refusal(
                key.line, f"`{key.raw}` appears twice, first in line {first}", "keep one of the two"
            )
        child = _node(events, events.next(), depth + 1)
        found[key.raw] = Node(child.value, key.line, child.raw)
    return found


def _scalar(raw: str, line: int, events: _Events) -> str | int | float | bool | None:
    if raw in _NULL:
        return None
    if raw.lower() in _TRUE | _FALSE:
        return raw.lower() in _TRUE
    if _INT.fullmatch(raw):
        return int(raw)
    if _FLOAT.fullmatch(raw) and math.isfinite(float(raw)):
        return float(raw)
    if _FLOAT.fullmatch(raw) or _NOT_FINITE.fullmatch(raw):
        raise events.refusal(line, f"`{raw}` is not a finite number", "write a number, or quote it")
    return raw


def _syntax_error(error: "yaml.YAMLError", text: str, name: str) -> ConfigError:
    """Return the parser's complaint with its line; most often a special character wants quotes."""
    mark = getattr(error, "problem_mark", None)
    position = getattr(error, "position", 0)
    line = mark.line + 1 if mark else text.count("\n", 0, position) + 1
    why = getattr(error, "problem", None) or "a character that YAML does not allow"
    return ConfigError(
        f"`{name}` line {line} is not YAML: {why}",
        'check the indentation, and quote text with special characters: "@_@"',
    )
