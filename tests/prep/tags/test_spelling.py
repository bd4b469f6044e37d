import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.tags.spelling import Spelling, is_mistake

words = st.text("abcd 12", max_size=7)


def distance(one: str, other: str) -> int:
    """Return how many mistakes lie between two words: the textbook's table."""
    rows = [[max(i, j) for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            differs = one[i - 1] != other[j - 1]
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + differs)
            if i > 1 and j > 1 and one[i - 2 : i] == other[j - 2 : j][::-1]:
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]


def other_digit(one: str, other: str) -> bool:
    """Return whether two words of one length differ in a digit alone."""
    differ = [(a, b) for a, b in zip(one, other, strict=False) if a != b]
    return len(one) == len(other) and len(differ) == 1 and "".join(*differ).isdigit()


@given(words, words)
def test_one_mistake_is_what_the_table_says(one: str, other: str) -> None:
    """A letter more, less, another, or two that changed places; but not another digit."""
    assert is_mistake(one, other) == (distance(one, other) == 1 and not other_digit(one, other))


@given(st.lists(words, max_size=12), words)
def test_the_near_words_are_all_found(known: list[str], typed: str) -> None:
    """Looking each word up gives those that comparing with each of them gives, in their order."""
    near = [word for word in dict.fromkeys(known) if len(word) > 3 and is_mistake(typed, word)]

    assert Spelling(known).near(typed) == (near if len(typed) > 3 else [])


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("smlie", ["smile"]),
        ("blue eye", ["blue eyes"]),
        ("lond hair", ["long hair"]),
        ("3girls", []),  # a number of its own
        (":p", []),  # a face of its own
        ("long hair", []),
        ("hairband", []),
    ],
)
def test_what_a_person_mistypes(typed: str, near: list[str]) -> None:
    """Real tags: the mistake is found, and what is another tag is left alone."""
    known = ("smile", "blue eyes", "long hair", "2girls", ":d", "headband")

    assert Spelling(known).near(typed) == near
