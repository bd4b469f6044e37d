"""Tests of how reading is judged: micro F1 with its error, and what a caption names."""

import random

import pytest

from benchmarks.tiny_painting import FRESH
from benchmarks.tiny_reading import counted, micro_f1, named, scenes
from tinyworld.words import ATTRIBUTES, attribute_tags, caption
from tinyworld.world import SHAPES, held_out


def test_micro_f1_is_that_of_all_tags_together() -> None:
    """Two of three found tags are right and two of four true ones are found: 4 / 7."""
    value, error = micro_f1([(2, 0, 1), (0, 1, 1)])

    assert value == pytest.approx(4 / 7)
    # Each picture's distance from the line: 4 - 4/7 * 5 and 0 - 4/7 * 2, over the sum of 7.
    assert error == pytest.approx(((8 / 7) ** 2 + (8 / 7) ** 2) ** 0.5 / 7)


def test_what_is_always_true_earns_nothing() -> None:
    """Tags that every picture has count neither as hits nor as missed."""
    found = frozenset({"solo", "blush", "scarf", "beach"})
    true = frozenset({"solo", "no_humans", "blush", "scarf", "snow", "crown"})

    assert counted(found, true) == (1, 1, 2)


def test_the_error_is_that_of_drawing_pictures_again() -> None:
    """The standard error is the deviation over samples of pictures, drawn with replacement."""
    dice = random.Random(3)
    counts = [
        (dice.randint(5, 8), dice.choice((0, 0, 1)), dice.choice((0, 0, 2))) for _ in range(90)
    ]
    again = [micro_f1(dice.choices(counts, k=90))[0] for _ in range(1500)]
    middle = sum(again) / len(again)
    spread = (sum((value - middle) ** 2 for value in again) / len(again)) ** 0.5

    assert micro_f1(counts)[1] == pytest.approx(spread, rel=0.08)


def test_a_true_caption_names_each_attribute_once() -> None:
    """Of a caption that is right, exactly the scene's own value of each attribute is read."""
    for scene in (*scenes(60, False), *scenes(60, True)):
        true = attribute_tags(scene)
        assert named(caption(scene)) == {
            word: {true[word]} if word in true else set() for word in ATTRIBUTES
        }


def test_two_values_are_two_values() -> None:
    """Two hats are two; a colour of no fur is no colour, and what is round must be a mascot."""
    found = named("a round one with mint, a party hat and a top hat, a scarf, at night")

    assert found == {
        "body": set(), "colour": set(), "hat": {"party_hat", "top_hat"},
        "accessory": {"scarf"}, "background": {"night"},
    }  # fmt: skip


def test_pictures_to_judge_by_are_of_all_shapes_and_sizes() -> None:
    """They are one to four times the world's size, and held out where that is asked for."""
    some = scenes(80, True)
    times = [max(scene.size) / 128 for scene in some]
    ratios = {round(width / height * 4) for width, height in SHAPES}

    assert FRESH > 10_000_000
    assert all(held_out(scene.look, scene.background) for scene in some)
    assert not any(held_out(scene.look, scene.background) for scene in scenes(80, False))
    assert {round(scene.size[0] / scene.size[1] * 4) for scene in some} == ratios
    assert 0.9 < min(times) < 1.4
    assert 3.5 < max(times) <= 5.01
