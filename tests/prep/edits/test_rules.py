import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.edits.filter_parser import parsed
from prep.edits.record import PictureRecord
from prep.edits.rules import Op, Rule, changed, led, reads
from prep.edits.rules_file import dump, parse
from prep.runtime.errors import ConfigError
from prep.tags.tag_text import canonical

RULES = """\
- drop: [blurry, "* hair"]
- rename: {grin: smile, "eileen (ren'py)": eileen}
- add: "1girl, best quality"
- first: [solo, 1girl]
"""


def applied(tags: Iterable[str], rules: Sequence[Rule], trigger: str = "") -> tuple[str, ...]:
    """Return a picture's tags as they train after all rules."""
    return led(changed(PictureRecord(tags=tuple(tags)), rules).tags, trigger)


def test_rules_are_done_in_their_order() -> None:
    """A rules file drops, renames, adds and moves, one after the other."""
    rules = parse(RULES, "tags.rules")
    tags = ("solo", "long hair", "eileen (ren'py)", "grin", "blurry", "hair ribbon", "1girl")

    assert applied(tags, rules) == (
        "solo", "1girl", "eileen", "smile", "hair ribbon", "best quality",
    )  # fmt: skip
    assert applied((), rules) == ("1girl", "best quality")


def test_a_rename_onto_a_tag_that_is_there_merges_them() -> None:
    """Row 31: the two become one, at the place of the first."""
    rules = parse("- rename: {grin: smile}", "tags.rules")

    assert applied(("grin", "solo", "smile"), rules) == ("smile", "solo")
    assert applied(("smile", "solo", "grin"), rules) == ("smile", "solo")


def test_a_tag_renamed_to_itself_stays() -> None:
    """Row 31: replacing a tag by itself does not delete it."""
    rules = parse("- rename: {smile: smile}", "tags.rules")

    assert applied(("solo", "smile"), rules) == ("solo", "smile")


def test_two_tags_can_be_swapped() -> None:
    """The renames of one rule happen at once, those of two rules one after the other."""
    swap = parse("- rename: {a: b, b: a}", "tags.rules")
    chain = parse("- rename: {a: b}\n- rename: {b: c}", "tags.rules")

    assert applied(("a", "x", "b"), swap) == ("b", "x", "a")
    assert applied(("a", "x"), chain) == ("c", "x")


def test_first_moves_only_what_is_there() -> None:
    """`first` adds nothing and keeps the order it names."""
    rules = parse("- first: [1girl, 1boy, solo]", "tags.rules")

    assert applied(("smile", "solo", "1girl"), rules) == ("1girl", "solo", "smile")


def test_a_star_stands_for_any_text_and_nothing_else_does() -> None:
    """Only `*` is special in a drop: `?`, `[` and parentheses are themselves."""
    rules = parse('- drop: ["*_*", "a?", "[x]", "b (*)"]', "tags.rules")
    tags = ("^_^", "*_*", "ab", "a?", "x", "[x]", "b (c)", "b c", "s_t, u")

    assert applied(tags, rules) == ("ab", "x", "b c")


def test_the_trigger_is_first_whatever_the_rules_say() -> None:
    """The trigger word is put first, and no rule removes, renames or overtakes it."""
    rules = parse('- drop: "*"\n- add: x\n- first: x', "tags.rules")

    assert applied(("a", "sks"), rules, trigger="sks") == ("sks", "x")
    assert applied(("a", "sks"), (), trigger="sks") == ("sks", "a")
    assert applied(("a",), (), trigger="") == ("a",)


def test_words_that_yaml_takes_for_something_else_are_tags() -> None:
    """Row 45: `no`, numbers and `null` are tags, as typed, in values and in keys."""
    text = "- drop: [no, 2000, null, 1e3, 010]\n- add: off\n- rename: {on: yes, 1: 1.0}\n"

    assert parse(text, "tags.rules") == (
        Rule(Op.DROP, ("no", "2000", "null", "1e3", "010")),
        Rule(Op.ADD, ("off",)),
        Rule(Op.RENAME, ("on", "1"), ("yes", "1.0")),
    )


FILTERED = r"""
- where: "solo -1girl"
  drop: [solo]
  add: alone
- where: alone width<600
  replace: {'(\w+) eyes': '\1-eyed, gaze', '^x': ''}
- where: caption:rain
  replace_caption: {'\brain\b': snow}
- {where: "path:faces/* or score:hat>0.5 or tokens>3", caption: "  a portrait "}
"""


def test_a_rule_is_for_the_pictures_that_its_filter_means() -> None:
    """Each filter sees what the rules before it left; one rule may do several things."""
    rules = parse(FILTERED, "tags.rules")
    one = PictureRecord("faces/a.png", ("solo", "blue eyes", "x"), "in rain", (512, 512))
    two = PictureRecord("b.png", ("solo", "1girl", "blue eyes"), "rain", (512, 512), {"hat": 0.5})
    three = PictureRecord("c.png", ("solo",), "sun", (900, 9), {"hat": 0.6})
    four = PictureRecord("d.png", ("a", "b"), "x", count=len)

    after = [changed(each, rules) for each in (one, two, three, four)]

    assert [(each.tags, each.caption) for each in after] == [
        (("blue-eyed", "gaze", "alone"), "a portrait"),
        (("solo", "1girl", "blue eyes"), "snow"),
        (("alone",), "a portrait"),
        (("a", "b"), "a portrait"),
    ]
    assert reads(rules) == {"caption", "key", "scores", "size", "tokens"}
    assert reads(rules[:1]) == set()
    assert parse(dump(rules), "again") == rules


def test_mistakes_of_filters_and_patterns_are_told_with_their_line() -> None:
    """Row 47: a filter names the column too, a pattern says what is wrong with it."""
    text = (
        "- {where: 'solo)', drop: a}\n- {where: [a], drop: a}\n- replace: {'(': x}\n- replace: a\n"
    )

    with pytest.raises(ConfigError) as caught:
        parse(text, "tags.rules")

    assert [str(caught.value), *(message for message, _ in caught.value.others)] == [
        "`tags.rules` line 1: `where` column 5: `)` stands without a `(` before it",
        "`tags.rules` line 2: `where` is one text",
        "`tags.rules` line 3: `(` is not a pattern: missing ), unterminated subpattern",
        "`tags.rules` line 4: `replace` names no pattern and new text",
    ]


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    """Row 47: every faulty rule is named with its line and what was probably meant."""
    text = (
        "- drpo: blurry\n- add:\n- drop: x\n- rename: {a: [b]}\n- first: {a: b}\n"
        "- where: y\n- word\n- rename: a\n- rename: {a: 'b, c'}\n- rename: {a: }\n"
    )

    with pytest.raises(ConfigError) as caught:
        parse(text, "tags.rules")

    rename = "write `- rename: {old: new}`"
    quote = 'quote a tag with special characters: ":d"'
    assert [(str(caught.value), caught.value.hint), *caught.value.others] == [
        ("`tags.rules` line 1: no rule is named `drpo`", "did you mean `drop`?"),
        ("`tags.rules` line 2: `add` names no tag", "write `- add: tag`"),
        ("`tags.rules` line 4: `rename` needs tags", quote),
        ("`tags.rules` line 5: `first` needs tags", quote),
        ("`tags.rules` line 6: a rule says what to do", "write `- drop: blurry`"),
        ("`tags.rules` line 7: a rule says what to do", "write `- drop: blurry`"),
        ("`tags.rules` line 8: `rename` names no old and new tag", rename),
        ("`tags.rules` line 9: `rename` needs one new tag for one old tag, at `a`", rename),
        ("`tags.rules` line 10: `rename` needs one new tag for one old tag, at `a`", rename),
    ]


def test_a_file_without_rules_changes_nothing() -> None:
    """A rules file with only comments is no mistake."""
    assert parse("# none yet\n", "tags.rules") == ()
    assert applied(("b", "a", "b"), ()) == ("b", "a")


def test_rules_are_written_one_line_each() -> None:
    """What a one-off edit appends to the file is short and quoted."""
    rules = (Rule(Op.DROP, ("@_@", "a,b")), Rule(Op.RENAME, (":d",), ("\u732b",)))

    assert dump(rules) == '- drop: ["@_@", "a\\\\,b"]\n- rename: {":d": "\u732b"}\n'


hostile = st.text(
    st.one_of(st.sampled_from("\\(),:#\"'*&!- {}"), st.characters(exclude_categories=["Cs", "Cc"]))
)
tags = st.lists(hostile.map(canonical).filter(bool), unique=True, min_size=1, max_size=4)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Rules with each operation at most once, as a mapping has each key once."""
    each = [one(op, draw) for op in draw(st.permutations(list(Op)))[: draw(st.integers(1, 3))]]
    where = parsed('solo or not (width<512 and tag:"a \\\\ b")') if draw(st.booleans()) else None
    return replace(each[0], where=where, then=tuple(each[1:]))


def one(op: Op, draw: st.DrawFn) -> Rule:
    old = tuple(draw(tags))
    if op is Op.CAPTION:
        return Rule(op, old[:1])
    if op in (Op.REPLACE, Op.REPLACE_CAPTION):
        plain = tuple(dict.fromkeys(re.escape(tag)[:100].rstrip("\\") for tag in old))
        return Rule(op, plain, tuple(tag.replace("\\", "/") for tag in old[: len(plain)]))
    return Rule(op, old, tuple(draw(tags)[0] for _ in old) if op is Op.RENAME else ())


@given(st.lists(rules(), max_size=4))
def test_written_rules_are_read_again(written: list[Rule]) -> None:
    """Any rules, over tags with any characters, are the same after they were appended and read."""
    assert parse(dump(written), "tags.rules") == tuple(written)


@given(st.lists(rules(), max_size=4), tags)
def test_a_trigger_leads_and_no_tag_comes_twice(done: list[Rule], before: list[str]) -> None:
    """Whatever the rules, the trigger is first and each tag is there once."""
    result = applied(before, done, trigger="sks")

    assert result[0] == "sks"
    assert len(set(result)) == len(result)
