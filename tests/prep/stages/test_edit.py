"""Rules and trigger, as the stage applies them."""

from typing import Any

import pytest

from prep.runtime.errors import ConfigError
from prep.stages.edit import Params, edit, load, models

RULES = """\
- drop: [blurry, "* hair"]
- rename: {grin: smile}
- add: [solo]
- first: [1girl]
"""


def worded(tags: list[str] | None, rules: str = "", **params: Any) -> dict[str, Any]:
    """Return the words that the stage makes; of `params`, some may be what the rules read."""
    row = {name: params.pop(name) for name in ("caption", "looks") if name in params}
    chosen = Params(rules=rules, **params)
    found: dict[str, Any] = edit.run({"tags": tags, **row}, chosen, load(chosen, ()))
    return found


def edited(tags: list[str] | None, **params: str) -> list[str]:
    """Return the tags that the stage makes."""
    found: list[str] = worded(tags, **params)["tags"]
    return found


def test_rules_apply_in_the_order_of_the_file() -> None:
    """Tags are dropped, renamed, added and put first, as the file says."""
    tags = ["red hair", "grin", "blurry", "1girl", "hat"]

    assert edited(tags, rules=RULES) == ["1girl", "smile", "hat", "solo"]


def test_the_trigger_is_first_and_once() -> None:
    """The trigger leads, before what the rules put first, also where the tagger found it."""
    tags = ["hat", "1girl", "mascot"]

    assert edited(tags, rules=RULES, trigger="mascot") == ["mascot", "1girl", "hat", "solo"]


def test_a_picture_without_tags_has_the_trigger() -> None:
    """A picture that nobody tagged still trains on its trigger; without one, on nothing."""
    assert edited(None, trigger="mascot") == ["mascot"]
    assert edited(None) == []


def test_the_persons_words_are_otherwise_left_alone() -> None:
    """Without rules and trigger the tags are what they were, in their order."""
    assert edited(["b", "a (c)", "^_^"]) == ["b", "a (c)", "^_^"]


def test_a_mistake_in_the_rules_is_told() -> None:
    """A rule that is not known stops the run before any picture is touched."""
    with pytest.raises(ConfigError, match="`dorp`"):
        edited(["a"], rules="- dorp: [a]\n")


def test_a_caption_that_no_rule_changes_is_not_told() -> None:
    """The stage tells a caption only where a rule made another one of it; an empty one too."""
    rule = "- replace_caption: {'^in (.+)': '\\1'}"

    assert worded(["a"], rule, caption="in rain") == {"tags": ["a"], "caption": "rain"}
    assert worded(["a"], rule, caption="snow") == {"tags": ["a"], "caption": None}
    assert worded(["a"], rule, caption=None) == {"tags": ["a"], "caption": None}
    assert worded(["a"], "- replace_caption: {x: ''}", caption="x")["caption"] == ""


def test_the_stage_reads_what_its_rules_ask_for() -> None:
    """Tags are read, and what a crop shows; a filter adds what it asks for, and nothing else."""
    assert edit.given(vars(Params())).reads == ("tags?", "lineage?")
    assert edit.given(vars(Params(rules="- {where: width<9, drop: a}"))).reads == (
        "tags?", "looks?", "lineage?",
    )  # fmt: skip
    asked = Params(rules="- {where: 'name:a* score:b>0 has:caption tokens<9', drop: a}")
    assert edit.given(vars(asked)).reads == (
        "tags?", "caption?", "key?", "scores?", "lineage?",
    )  # fmt: skip


def test_filters_see_sizes_and_numbers_of_tokens() -> None:
    """Sizes come from what was measured, tokens from CLIP's tokenizer: `1girl` is two of them."""
    looks = {"size": [512, 640]}

    assert edited(["a"], rules="- {where: tokens=1, add: few}") == ["a", "few"]
    assert edited(["1girl", "solo"], rules="- {where: tokens=4, add: four}")[-1] == "four"
    sized = worded(["a"], "- {where: 'size:512x640', add: large}", looks=looks)
    assert sized["tags"] == ["a", "large"]
    assert worded(["a"], "- {where: width<999, add: large}", looks=None)["tags"] == ["a"]


def test_a_filter_on_scores_wants_the_tagger_named() -> None:
    """Scores are kept by the numbers of labels: without a tagger's name nobody knows which."""
    asked = Params(rules="- {where: 'score:a>0', drop: a}")

    with pytest.raises(ConfigError) as caught:
        models(asked)

    assert str(caught.value) == "`score:` in a filter needs the labels of the tagger that scored"
    assert models(Params()) == ()
