from collections import Counter
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from prep.tags.frequency import Often, TagPair, beside, often, pairs

PICTURES = (("solo", "hat", "smile"), ("solo", "hat"), ("solo",), ("smile", "solo"))

some = st.lists(st.lists(st.sampled_from("abcdef"), unique=True), max_size=12)


def test_tags_are_counted_the_most_frequent_first() -> None:
    """Each tag once, with its pictures and their share; equals by name."""
    assert often(PICTURES) == [
        Often("solo", 4, 1.0), Often("hat", 2, 0.5), Often("smile", 2, 0.5),
    ]  # fmt: skip
    assert often(()) == []


def test_what_stands_beside_a_tag_is_a_share_of_its_pictures() -> None:
    """Only pictures with the tag are counted, and not the tag itself."""
    assert beside(PICTURES, "hat") == [Often("solo", 2, 1.0), Often("smile", 1, 0.5)]
    assert beside(PICTURES, "cat") == []


def test_pairs_tell_what_is_more_than_chance() -> None:
    """Lift is 1 where two tags have nothing to do with each other."""
    found = pairs((("a", "b"), ("a", "b"), ("c",), ("c",)))

    assert found == [TagPair("a", "b", 2, 2.0)]
    assert pairs(PICTURES) == [TagPair("hat", "solo", 2, 1.0), TagPair("smile", "solo", 2, 1.0)]


@given(some)
def test_pairs_are_those_of_two_pictures_or_more(pictures: list[list[str]]) -> None:
    """Counted by looking at every two tags of every picture."""
    counts = Counter(two for each in pictures for two in combinations(sorted(each), 2))

    found = {(pair.one, pair.other): pair.pictures for pair in pairs(pictures)}

    assert found == {two: count for two, count in counts.items() if count > 1}
    order = [(-pair.pictures, pair.one, pair.other) for pair in pairs(pictures)]
    assert order == sorted(order)
