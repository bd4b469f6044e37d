"""Randomness that is computed."""

import pytest

from prep.runtime.seeds import seed_for


def test_a_seed_is_the_same_for_ever() -> None:
    """Published results depend on these numbers: they never change."""
    assert seed_for(0, "noise", 1, "a.png") == seed_for(0, "noise", 1, "a.png")
    assert [seed_for(0, "order", n) for n in range(2)] == [3025100657410028439, 6896052818262883851]


@pytest.mark.parametrize(
    "other",
    [(1, "noise", 1, "a"), (0, "order", 1, "a"), (0, "noise", 2, "a"), (0, "noise", "1", "a")],
)
def test_every_part_counts(other: tuple[int, str, str | int, str]) -> None:
    """Seed, purpose, key and a key's kind each give another number."""
    assert seed_for(*other) != seed_for(0, "noise", 1, "a")


def test_parts_do_not_run_together() -> None:
    """("a", "bc") and ("ab", "c") differ."""
    assert seed_for(0, "p", "a", "bc") != seed_for(0, "p", "ab", "c")


def test_seeds_are_63_bit_and_spread() -> None:
    """Every number fits where a signed 64-bit one is wanted, and each bit is used."""
    seeds = [seed_for(0, "spread", n) for n in range(200)]
    union = 0
    for seed in seeds:
        union |= seed

    assert len(set(seeds)) == 200
    assert union == 2**63 - 1
