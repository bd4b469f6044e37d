from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from prep.tagging.cuts import by_mcut, by_threshold
from tagger_models.labels.label import Label
from tagger_models.scores import FLOOR, columns, packed

LABELS = (
    *(Label(f"rating_{n}", "rating") for n in range(2)),
    *(Label(f"tag_{n}", "general") for n in range(12)),
    *(Label(f"name_{n}", "character") for n in range(5)),
)
GENERAL, CHARACTERS = range(2, 14), range(14, 19)
KEPT = 0.01000213623046875  # the floor as scores are kept
BOTH = {"general": 0.35, "character": 0.85}


def kept(scores: dict[int, float], limits: dict[str, float], own: dict[str, float]) -> list[int]:
    """Return the labels that the widest gap leaves."""
    ids, values = columns(packed(sorted(scores.items())))
    return ids[values >= by_mcut(LABELS, limits, own)(ids, values)].tolist()


def mcut(scores: list[float]) -> float:
    """Return the middle of the widest gap of a whole category, from the definition."""
    falling = sorted(scores, reverse=True)
    gaps = [(one - two, one, two) for one, two in pairwise(falling)]
    widest = max(gap for gap, _, _ in gaps)
    return next((one + two) / 2 for gap, one, two in gaps if gap == widest)


def test_the_widest_gap_of_a_category_decides() -> None:
    """Each category is cut where its probabilities fall most, whatever the thresholds are."""
    scores = {2: 0.9, 3: 0.8, 4: 0.3, 5: 0.2, 14: 0.7, 15: 0.2, 16: 0.18}

    assert kept(scores, BOTH, {}) == [2, 3, 14]
    assert kept(scores, {"general": 1.0}, {}) == [2, 3]


def test_where_all_of_a_category_is_kept_no_zero_is_made_up() -> None:
    """The last gap is one between two labels, not one down to nothing."""
    scores = dict(zip(CHARACTERS, (0.99, 0.98, 0.7, 0.69, 0.68), strict=True))

    assert kept(scores, BOTH, {}) == [14, 15]
    assert kept({14: 0.99, 15: 0.98, 16: 0.7, 17: 0.69}, BOTH, {}) == [14, 15, 16, 17]


def test_somebody_who_is_hardly_there_is_nobody() -> None:
    """Characters are never cut under 0.15; the least general tag is at the floor."""
    assert kept({2: 0.04, 14: 0.14, 15: 0.02}, BOTH, {}) == [2]
    assert kept({14: 0.16, 15: 0.02}, BOTH, {}) == [14]


def test_a_tag_s_own_threshold_holds_here_too() -> None:
    """What a person asked for one tag is not for the gap to decide."""
    scores = {2: 0.9, 3: 0.8, 4: 0.3}

    assert kept(scores, BOTH, {"tag_0": 0.95, "tag_2": 0.25}) == [3, 4]


@given(st.dictionaries(st.sampled_from(GENERAL), st.floats(KEPT, 1, width=16), min_size=1))
def test_the_gap_is_that_of_the_whole_category(scores: dict[int, float]) -> None:
    """Labels whose score was not kept count as 0; of equally wide gaps the upper one counts."""
    whole = [scores.get(index, 0.0) for index in GENERAL]
    limit = max(mcut(whole), FLOOR)

    assert kept(scores, {"general": 0.5}, {}) == [
        i for i, s in sorted(scores.items()) if s >= limit
    ]


def test_a_category_of_one_label_has_no_gap() -> None:
    """Where there is nothing to compare with, what was kept stays."""
    labels = (Label("solo", "general"),)
    ids, values = columns(packed([(0, 0.02)]))

    assert (values >= by_mcut(labels, {"general": 0.5}, {})(ids, values)).tolist() == [True]
    assert (values >= by_threshold(labels, {"general": 0.5}, {})(ids, values)).tolist() == [False]
