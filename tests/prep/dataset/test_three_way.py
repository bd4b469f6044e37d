from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.dataset.three_way import Merge, Verdict, merged

Value = str | None

# base, theirs, ours; the verdict where ours is the machine's, and where it is a person's.
TABLE: list[tuple[Value, Value, Value, str, str]] = [
    (None, None, None, "same", "same"),
    (None, None, "a", "ours", "ours"),
    (None, "a", None, "theirs", "theirs"),
    (None, "a", "a", "same", "same"),
    (None, "a", "b", "theirs", "conflict"),
    ("a", None, None, "same", "same"),
    ("a", None, "a", "back", "back"),
    ("a", None, "b", "back", "back"),
    ("a", "a", None, "ours", "ours"),
    ("a", "a", "a", "same", "same"),
    ("a", "a", "b", "ours", "ours"),
    ("a", "b", None, "theirs", "conflict"),
    ("a", "b", "a", "theirs", "theirs"),
    ("a", "b", "b", "same", "same"),
    ("a", "b", "c", "theirs", "conflict"),
]
WHOSE = {"same": 2, "ours": 2, "back": 2, "theirs": 1, "conflict": 1}


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_every_case_has_its_verdict(row: tuple[Value, Value, Value, str, str]) -> None:
    """Row 30: what was written, what is there and what would be written decide, in every case."""
    values = row[:3]
    for by_person, verdict in ((False, row[3]), (True, row[4])):
        expected = Merge(values[WHOSE[verdict]], Verdict(verdict))
        assert merged(*values, ours_by_person=by_person) == expected


def test_the_table_of_cases_is_whole() -> None:
    """Row 30: any three values, absent ones included, are like exactly one row of the table."""

    def pattern(values: tuple[Value, ...]) -> tuple[int, ...]:
        names: dict[Value, int] = {None: 0}
        return tuple(names.setdefault(value, len(names)) for value in values)

    rows = [pattern(row[:3]) for row in TABLE]
    assert sorted(rows) == sorted({pattern(v) for v in product((None, "a", "b", "c"), repeat=3)})


value = st.one_of(st.none(), st.text(max_size=2), st.sampled_from(["a", "b"]))


@given(value, value, value, st.booleans())
def test_a_persons_words_are_never_lost(
    base: Value, theirs: Value, ours: Value, by_person: bool
) -> None:
    """Row 29: text that is there and is not what we wrote stays what it is."""
    if theirs is not None and theirs != base:
        assert merged(base, theirs, ours, by_person).value == theirs


@given(value, value, value, st.booleans())
def test_only_two_people_can_conflict(
    base: Value, theirs: Value, ours: Value, by_person: bool
) -> None:
    """Row 30: a machine that changed its mind against a person is no conflict."""
    verdict = merged(base, theirs, ours, by_person).verdict

    assert verdict is not Verdict.CONFLICT or (by_person and len({base, theirs, ours}) == 3)


@given(value, value, value)
def test_a_second_merge_changes_nothing(base: Value, theirs: Value, ours: Value) -> None:
    """After a merge was carried out, the next one has nothing to write."""
    first = merged(base, theirs, ours)
    wrote = first.verdict in (Verdict.OURS, Verdict.BACK)

    second = merged(first.value if wrote else base, first.value, ours)

    assert second.value == first.value
    assert second.verdict in (Verdict.SAME, Verdict.THEIRS)
