"""Rules and trigger, as the stage applies them."""

from typing import Any

import pytest

from prep.errors import ConfigError
from prep.stages.edit import Params, edit, load

RULES = """\
- drop: [blurry, "* hair"]
- rename: {grin: smile}
- add: [solo]
- first: [1girl]
"""


def worded(tags: list[str] | None, *more: object, **params: str) -> dict[str, Any]:
    """Return the words that the stage makes; `more` is what the filters of the rules read."""
    chosen = Params(**params)
    found: dict[str, Any] = edit.run(tags, *more, chosen, load(chosen, ()))
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
