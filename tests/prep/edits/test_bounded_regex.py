"""A person's regular expressions: Python's language, and no way to hang or to fill the memory."""

import re
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.edits.bounded_regex import PatternError, check, replaced
from prep.runtime.errors import ConfigError

CATASTROPHES = [
    (r"(a|aa)+$", "a" * 60 + "b"),
    (r"(.*?,){11}P", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17" * 30),
    (r"(x+x+)+y", "x" * 2000),
]


def test_a_pattern_replaces_as_python_does() -> None:
    """Groups, names and the empty match work as in Python's own `re`."""
    cases = [
        (r"(\w+) eyes", r"\1-eyed", "blue eyes"),
        (r"(?P<x>a)(b)?", r"\g<x>\2!", "aba"),
        (r"x*", "-", "axb"),
        (r"^|$", "~", "middle"),
        (r"(?i)HAIR$", "fur", "long hair"),
        ("\u732b+", "cat", "\u732b\u732b girl"),
    ]
    for pattern, new, text in cases:
        check(pattern, new)
        assert replaced(pattern, new, text) == re.sub(pattern, new, text)


@pytest.mark.parametrize(("pattern", "text"), CATASTROPHES)
def test_a_catastrophic_pattern_is_stopped(pattern: str, text: str) -> None:
    """A pattern that would take years ends in two lines after a second of this process's time."""
    check(pattern, "x")
    began = time.process_time()

    with pytest.raises(ConfigError) as caught:
        replaced(pattern, "x", text)

    assert time.process_time() - began < 3
    assert str(caught.value) == (f"the pattern `{pattern}` takes more than 1 s on `{text[:40]}`")
    assert caught.value.hint == "write it without a repeat inside a repeat"


def test_counted_repeats_do_not_fill_the_memory() -> None:
    """Repeats of repeats, which a library would unroll into gigabytes, are refused unread."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "from prep.edits.bounded_regex import *\n"
        "for worst in (r'(?:[a-z]{10}){100}', r'a{999}', '.{1,1000}'): check(worst, 'x')\n"
        "try: check(r'(?:(?:a{1000}){1000}){1000}', 'x')\n"
        "except PatternError as error: print(*error.args, sep='|')\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == (
        "the repeats of `(?:(?:a{1000}){1000}){1000}` multiply to more than 1000|write `+` or `*`\n"
    )


def test_a_replacement_that_grows_without_end_is_refused() -> None:
    """Text that doubles with every rule stops at a length that nobody would write."""
    text = "a" * 200

    with pytest.raises(ConfigError) as caught:
        replaced("a", "a" * 101, text)

    assert str(caught.value) == (
        f"the pattern `a` makes more than 20000 characters of `{'a' * 40}`"
    )


MISTAKES = [
    ("(", "x", "`(` is not a pattern: missing ), unterminated subpattern"),
    ("*a", "x", "`*a` is not a pattern: nothing to repeat"),
    ("(?R)", "x", "`(?R)` is not a pattern: unknown extension ?R"),
    ("[[a]", "x", "`[[a]` is not a pattern: Possible nested set at position 1"),
    ("(a)", r"\2", r"`\2` cannot stand in place of `(a)`: invalid group reference 2"),
    ("a", r"\1", r"`\1` cannot stand in place of `a`: invalid group reference 1"),
    ("a" * 201, "x", "a pattern has at most 200 characters"),
]


@pytest.mark.parametrize(("pattern", "new", "message"), MISTAKES)
def test_a_mistake_is_told(pattern: str, new: str, message: str) -> None:
    """What is no pattern, or refers to no group, is told in the library's words, with a hint."""
    with pytest.raises(PatternError) as caught:
        check(pattern, new)

    assert caught.value.args[0] == message
    assert caught.value.args[1]


@given(st.text("ab(){}[]|?*+.^$\\1dw,", max_size=16), st.text("a\\1g<0>", max_size=6),
       st.text("ab1 ", max_size=12))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_a_checked_pattern_does_what_python_does(pattern: str, new: str, text: str) -> None:
    """Any pattern is refused with two lines, or replaces exactly what `re` would replace."""
    try:
        check(pattern, new)
    except PatternError as error:
        assert all(error.args)  # noqa: PT017 - which of the two it is, is not known before
        return
    assert replaced(pattern, new, text) == re.sub(pattern, new, text)
