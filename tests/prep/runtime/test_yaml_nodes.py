import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from prep.runtime.errors import ConfigError
from prep.runtime.yaml_nodes import MAX_DEPTH, as_yaml, plain, read

PIPELINE = """\
# a comment
pipelines:
  main:
    source: ./raw
    stages:
      - crop: {aspect_ratio: 0.75}
      - tag:
          threshold: 35e-2
          model: "no"
"""


def told(text: str, top: type = dict) -> tuple[str, str | None]:
    with pytest.raises(ConfigError) as caught:
        read(text, "p.yaml", top)
    return str(caught.value), caught.value.hint


def test_a_file_is_values_with_lines() -> None:
    """Every value knows the line of its key, so that a mistake can be pointed at."""
    top = read(PIPELINE, "p.yaml")
    main = top.value["pipelines"].value["main"]
    crop, tag = main.value["stages"].value

    assert plain(top) == yaml.safe_load(PIPELINE) | {
        "pipelines": {
            "main": {
                "source": "./raw",
                "stages": [
                    {"crop": {"aspect_ratio": 0.75}},
                    {"tag": {"threshold": 0.35, "model": "no"}},
                ],
            }
        }
    }
    assert main.value["stages"].line == 5
    assert (crop.line, tag.value["tag"].line) == (6, 7)
    assert tag.value["tag"].value["model"].line == 9


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("no", False),
        ("Off", False),
        ("yes", True),
        ("on", True),
        ("~", None),
        ("12", 12),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("010", "010"),
        ("1:30", "1:30"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("2024-12-01", "2024-12-01"),
        ("=", "="),
        ("1girl", "1girl"),
    ],
)
def test_a_plain_word_shows_what_was_typed(raw: str, value: Any) -> None:
    """Row 45: beside the value stands the text as typed, so `no` is seen where a word is meant."""
    node = read(f"key: {raw}\n", "p.yaml").value["key"]

    assert (node.value, type(node.value), node.raw) == (value, type(value), raw)


def test_a_quoted_word_is_text() -> None:
    """Row 45: quotes make text of anything."""
    node = read("a: 'no'\nb: \"12\"\n", "p.yaml")

    assert plain(node) == {"a": "no", "b": "12"}


def test_a_key_said_twice_is_refused() -> None:
    """Row 42: the second of two equal keys is named with both lines, at any depth."""
    assert told("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n") == (
        "`p.yaml` line 5: `c` appears twice, first in line 3",
        "keep one of the two",
    )


def test_anchors_and_aliases_are_refused() -> None:
    """Row 44: no alias, so no alias bomb; a tag that begins with `*` is told to be quoted."""
    expected = "anchors and aliases (`&`, `*`) are not read"
    hint = "quote the text, or repeat it"

    assert told("a: 1\nb: &x 2\n") == (f"`p.yaml` line 2: {expected}", hint)
    assert told("a:\n  - *hair\n") == (f"`p.yaml` line 2: {expected}", hint)


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!mine", "!!str"])
def test_tags_are_refused(tag: str) -> None:
    """Row 46: nothing in a file can name a class or a function."""
    message, hint = told(f"a: 1\nb: {tag} [x]\n")

    assert message.startswith("`p.yaml` line 2: the tag `")
    assert hint == "remove it, or quote it"


def test_nesting_has_an_end() -> None:
    """Row 44: twenty levels are read, one more is refused, and half a million do no harm."""
    read("a: " + "[" * (MAX_DEPTH - 1) + "1" + "]" * (MAX_DEPTH - 1), "p.yaml")
    expected = ("`p.yaml` line 1: nested more than 20 deep", "use fewer levels")

    assert told("a: " + "[" * (MAX_DEPTH + 1)) == expected
    assert told("a: " + "[" * 500_000) == expected


def test_a_file_has_a_size() -> None:
    """Row 44: more than a megabyte is not read at all."""
    expected = ("`p.yaml` is larger than 1 MB", "is it the file you meant?")

    assert told("a: " + "\u732b" * 350_000) == expected
    assert plain(read("a: " + "\u732b" * 349_000, "p.yaml")) == {"a": "\u732b" * 349_000}


def test_a_huge_number_is_text() -> None:
    """Row 44: a number of thousands of digits is never computed with."""
    assert plain(read("a: " + "9" * 6000, "p.yaml")) == {"a": "9" * 6000}


@pytest.mark.parametrize("raw", [".nan", "-.inf", ".INF", "1e999"])
def test_numbers_are_finite(raw: str) -> None:
    """Row 43: NaN and infinity are refused where they stand."""
    assert told(f"a: 1\nb: {raw}\n") == (
        f"`p.yaml` line 2: `{raw}` is not a finite number",
        "write a number, or quote it",
    )


QUOTE = 'check the indentation, and quote text with special characters: "@_@"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: @_@\n", "line 2 is not YAML: found character '@' that cannot start any token"),
        ("a: [1\n", "line 2 is not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\n  b: 2\n", "line 2 is not YAML: mapping values are not allowed here"),
        ("a: 1\nb: \0\n", "line 2 is not YAML: a character that YAML does not allow"),
        ("a: \ud800", "line 1 is not YAML: a character that YAML does not allow"),
    ],
)
def test_what_is_not_yaml_is_told_with_its_line(text: str, message: str) -> None:
    """Row 41: a torn or misspelt file is two lines with the place."""
    assert told(text) == (f"`p.yaml` {message}", QUOTE)


@pytest.mark.parametrize(
    ("text", "top", "message", "hint"),
    [
        ("- a\n", dict, "line 1: this file is keys with values (`key: value`)", "see the README"),
        (
            "\nword\n",
            dict,
            "line 2: this file is keys with values (`key: value`)",
            "see the README",
        ),
        ("a: 1\n", list, "line 1: this file is a list (`- ...`)", "see the README"),
        (
            "a: 1\n---\nb: 2\n",
            dict,
            "line 2: a second document begins",
            "keep one, remove the `---`",
        ),
        ("? [a, b]\n: 1\n", dict, "line 1: a key must be one word", "write `key: value`"),
    ],
)
def test_another_shape_is_refused(text: str, top: type, message: str, hint: str) -> None:
    """Row 41: a file of another shape than asked for is two lines with the place."""
    assert told(text, top) == (f"`p.yaml` {message}", hint)


@pytest.mark.parametrize("escape", ["\\0", "\\x1b", "\\ud800"])
def test_an_escape_cannot_bring_in_a_control_character(escape: str) -> None:
    """Row 27: NUL, control characters and lone surrogates written as escapes are refused."""
    assert told(f'a: 1\nb: "x{escape}y"\n') == (
        "`p.yaml` line 2: the text holds a control character",
        "remove it",
    )


@pytest.mark.parametrize("text", ["", "# only this\n", "---\n"])
def test_an_empty_file_is_empty(text: str) -> None:
    """A file with nothing but comments holds no keys, or no items."""
    assert plain(read(text, "p.yaml")) == {}
    assert plain(read(text, "p.yaml", list)) == []


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
leaves = st.one_of(words, st.booleans(), st.integers(-(10**17), 10**17))
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.dictionaries(words, inner),
    max_leaves=8,
)


@given(st.dictionaries(words, trees))
def test_json_is_read_as_json(value: dict[str, Any]) -> None:
    """Any JSON object, which is YAML too, is read as the values it holds."""
    assert plain(read(json.dumps(value), "p.yaml")) == value


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_any_text_is_read_or_refused_in_two_lines(text: str) -> None:
    """Row 41: no text whatever ends in a traceback."""
    caught = None
    try:
        read(text, "p.yaml")
    except ConfigError as error:
        caught = error
    assert caught is None or (str(caught).startswith("`p.yaml` line ") and caught.hint)


@pytest.mark.parametrize(
    ("value", "said"),
    [(True, "true"), (False, "false"), (None, "none"), ("", '""'), ("a b", "a b"), (0.35, "0.35"),
     (3, "3"), (["a", "b"], '["a", "b"]'), (("a",), '["a"]')],
)  # fmt: skip
def test_a_value_is_said_as_it_is_written(value: object, said: str) -> None:
    """Differences and mistakes show values as a person writes them, not as Python does."""
    assert as_yaml(value) == said
