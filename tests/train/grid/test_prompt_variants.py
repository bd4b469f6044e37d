import pytest

from prep.runtime.errors import ConfigError
from train.grid.prompt_variants import chosen, variants
from train.samples.prompts import Prompt


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a cat", ["a cat"]),
        ("a {red|blue} cat", ["a red cat", "a blue cat"]),
        ("{a|b} {1|2}", ["a 1", "a 2", "b 1", "b 2"]),
        ("a {|very {big|small} }cat", ["a cat", "a very big cat", "a very small cat"]),
        ("{one}", ["one"]),
        ("{a|a}", ["a"]),
        ("a | b", ["a | b"]),
        ("", [""]),
    ],
)
def test_every_choice_is_a_prompt(text: str, wanted: list[str]) -> None:
    """Nested and empty choices too; the first changes slowest, and what is the same is there once.

    What dynamic-prompts' combinatorial generator makes of them.
    """
    assert chosen(text) == wanted


def test_both_prompts_have_choices() -> None:
    """The negative prompt's are combined with the prompt's; all else stays."""
    found = variants([Prompt("{a|b}", "{c|d}", seed=3)])

    assert [(one.text, one.negative, one.seed) for one in found] == [
        ("a", "c", 3), ("a", "d", 3), ("b", "c", 3), ("b", "d", 3)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        (
            text,
            f"the braces of `{text}` do not fit together",
            "write words to choose from as `{red|blue}`",
        )
        for text in ("a {b|c", "a b}", "{{a|b}", "a}{b")
    ]
    + [
        (
            text,
            f"`{text}` asks for a count or a weight of variants",
            "write plain ones, as `{red|blue}`: every one is drawn",
        )
        for text in ("{2$$a|b}", "{0.5::a|b}", "{a|2::b}")
    ]
    + [
        (
            "{a|b|c}" * 6,
            f"`{('{a|b|c}' * 6)[:60]}` has more than 400 choices",
            "leave some of its words out",
        )
    ],
)
def test_what_is_no_plain_choice_is_refused(text: str, told: str, hint: str) -> None:
    """Two lines, and never a picture of a prompt that was meant otherwise."""
    with pytest.raises(ConfigError) as caught:
        chosen(text)

    assert (str(caught.value), caught.value.hint) == (told, hint)
