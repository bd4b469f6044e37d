"""The rules that make the text of a showing: kohya's, each drawn by our own seeds."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations, permutations, product
from pathlib import Path
from typing import Any

import pytest

from prep.dataset.wording import wordings
from train.data.captions import are_few, has_wildcard, longest_texts, text_of, texts_of, whole_texts
from train.data.dataset import TrainingSample
from train.methods import config_of

TAGS = ("zzk", "hat", "red", "smile")


def _sample(tags: Sequence[str] = TAGS, caption: str = "", trigger: str = "") -> TrainingSample:
    """Return a sample whose tags and captions train, as a dataset file gives it."""
    each = wordings(tags, caption, "both" if tags else "caption", trigger)
    words = (*tags, *([caption] if caption else ()))
    return TrainingSample(
        digest="0", text=", ".join(words), words=words, num_tags=len(tags), concept="",
        bucket=(8, 8), latents=Path("x"), latents_digest="0", repeats=1, weight=1.0,
        each=each if len(each) > 1 else (), lead=each[0].lead,
    )  # fmt: skip


def _shown(sample: TrainingSample, count: int = 600, **given: Any) -> Counter[str]:
    """Return the texts of many showings: of several epochs, and of repeats in each."""
    config = config_of(**given)
    return Counter(text_of(sample, "a.png", n // 10, config, n % 10) for n in range(count))


def _theirs(caption: str, keep: int, drop: bool, mark: str = "", second: str = "") -> set[str]:
    """Return every text that kohya's scripts can make of a line of tags.

    Written down from the rules of `process_caption`, without randomness: tags are shuffled, and
    with `drop` any of them may be missing.
    """

    def tags(text: str) -> list[str]:
        return [one.strip() for one in text.split(",")]

    fixed, flexible, suffix = tags(caption)[:keep], tags(caption)[keep:], list[str]()
    if mark and mark in caption:
        first, rest = caption.split(mark, 1)
        rest, _, last = rest.partition(mark)
        fixed, flexible, suffix = tags(first), tags(rest), [one for one in tags(last) if one]
    sizes = range(len(flexible) + 1) if drop else [len(flexible)]
    orders = [order for size in sizes for some in combinations(flexible, size)
              for order in permutations(some)]  # fmt: skip
    found = {", ".join([*fixed, *order, *suffix]) for order in orders}
    return {text.replace(second, ", ") for text in found} if second else found


@pytest.mark.parametrize("keep", [0, 1, 2])
@pytest.mark.parametrize("drop", [0.0, 0.5])
@pytest.mark.parametrize(
    ("prefix", "suffix"), [("", ""), ("x, y,", ""), ("photo of", ", z"), ("x", "of y")]
)
def test_tags_are_joined_moved_and_left_out_as_theirs(
    keep: int, drop: float, prefix: str, suffix: str
) -> None:
    """Prefix and suffix are joined by a space, then split by commas; exactly their texts occur."""
    theirs = _theirs(" ".join(filter(None, (prefix, ", ".join(TAGS[:3]), suffix))), keep, drop > 0)

    found = _shown(
        _sample(TAGS[:3]), 4000 if drop else 1500, shuffle_tags=True, keep_tags=keep,
        tag_dropout=drop, caption_prefix=prefix, caption_suffix=suffix,
    )  # fmt: skip

    assert {*found} <= theirs
    assert len(found) >= 0.8 * len(theirs)


def test_a_share_of_the_tags_behind_the_kept_ones_is_left_out() -> None:
    """About a fifth of each of them is missing, each alone; the kept one and a caption never."""
    found = _shown(_sample(caption="a toy, red hat"), 2000, tag_dropout=0.2, keep_tags=1)

    assert all(text.startswith("zzk") and text.endswith(", a toy, red hat") for text in found)
    tags = [text.removesuffix(", a toy, red hat").split(", ") for text in found.elements()]
    for tag in TAGS[1:]:
        assert 320 <= sum(tag not in each for each in tags) <= 480
    assert 10 <= sum(len(each) == 1 for each in tags) <= 30  # 0.2 ** 3 of 2,000 are 16
    assert _shown(_sample(), 50, tag_dropout=1.0, keep_tags=2) == {"zzk, hat": 50}


def test_a_trigger_is_one_tag_for_all_of_them() -> None:
    """A trigger with a comma is kept or left out whole, and a prefix belongs to it."""
    sample = _sample(("zzk", "red hat", "x"), trigger="zzk, red hat")

    assert {*_shown(sample, 100, tag_dropout=0.5, keep_tags=0)} == {
        "zzk, red hat, x", "zzk, red hat", "x", "",
    }  # fmt: skip
    assert {*_shown(sample, 50, tag_dropout=1, caption_prefix="photo of")} == {
        "photo of zzk, red hat"
    }


def test_prefix_and_suffix_of_captions() -> None:
    """A space joins them; commas of captions separate nothing; a text that is dropped has none."""
    sample = _sample((), "a toy, red")
    given = {"caption_prefix": "photo of", "caption_suffix": ", sharp"}

    assert _shown(sample, 20, **given, tag_dropout=1.0, keep_tags=0) == {
        "photo of a toy, red , sharp": 20
    }
    assert {*_shown(sample, 100, **given, caption_dropout=0.5)} == {
        "", "photo of a toy, red , sharp",
    }  # fmt: skip
    assert whole_texts(_sample(("hat",), "a toy"), config_of(**given)) == [
        "photo of hat, a toy , sharp"
    ]


def test_one_of_several_captions_is_shown() -> None:
    """Each about as often, with the tags and the trigger that it would have alone."""
    found = _shown(_sample((), "zzk, a toy\nthe toy\nred", trigger="zzk"), 900)

    assert {*found} == {"zzk, a toy", "zzk, the toy", "zzk, red"}
    assert all(240 <= count <= 360 for count in found.values())


def test_no_text_in_each_second_epoch() -> None:
    """Epochs are counted from one, as kohya's are."""
    config = config_of(caption_dropout_every_epochs=2)
    found = [text_of(_sample(("x",)), "a", epoch, config, epoch % 3) for epoch in range(5)]

    assert found == ["x", "", "x", "", "x"]


def _choices(*each: Iterable[str]) -> set[str]:
    return {"".join(one) for one in product(*each)}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a {red|blue} {hat|cap}", _choices(["a red ", "a blue "], ["hat", "cap"])),
        ("{a|b|}", {"a", "b", ""}),
        ("{a} {{b|c}} {}", {"a {b|c} {}"}),
        ("{a{{x}}|b}", {"a{x}", "b"}),
        ("a | b } {", {"a | b } {"}),
    ],
)
def test_wildcards(text: str, wanted: set[str]) -> None:
    """One of the words of each is drawn alone, doubled braces are braces; off, nothing is done."""
    assert {*_shown(_sample((), text), 200, wildcards=True)} == wanted
    assert {*_shown(_sample((), text), 5)} == {text}
    assert has_wildcard(text) == (len(wanted) > 1)


def test_wildcards_are_drawn_before_tags_are_split() -> None:
    """A choice with a comma is several tags, as it is there; a prefix may have some, too."""
    sample = _sample(("{a", "b|c}", "d"))
    found = _shown(sample, 800, wildcards=True, shuffle_tags=True, keep_tags=0)
    assert {*found} == _theirs("a, b, d", 0, False) | _theirs("c, d", 0, False)

    assert {*_shown(_sample(("a",)), 60, wildcards=True, caption_prefix="{x|y}")} == {"x a", "y a"}


def test_tags_before_a_mark_are_kept() -> None:
    """Those between a first and a second mark move, in place of a number; the mark never trains."""
    tags = ("a", "b ||| c", "d ||| e")
    line = ", ".join(tags)
    given = {"keep_tags_separator": "|||", "keep_tags": 0}

    assert {*_shown(_sample(tags), 60, shuffle_tags=True, **given)} == _theirs(
        line, 0, False, "|||"
    )
    assert {*_shown(_sample(tags), 5, **given)} == {"a, b, c, d, e"}
    assert {*_shown(_sample(("a", "b")), 50, shuffle_tags=True, **given)} == {"a, b", "b, a"}


def test_tags_with_a_mark_between_them_move_together() -> None:
    """They are one tag until the text is made, then commas separate them."""
    tags = ("x", "a;;;b", "c")
    found = _shown(
        _sample(tags), 300, shuffle_tags=True, tag_dropout=0.3, keep_tags=1,
        secondary_separator=";;;",
    )  # fmt: skip

    assert {*found} == _theirs("x, a;;;b, c", 1, True, "", ";;;")


@pytest.mark.parametrize(("steps", "least", "keep"), [(10, 1, 1), (7, 2, 0), (10, 5, 0), (4, 0, 1)])
def test_tags_come_step_by_step(steps: int, least: int, keep: int) -> None:
    """As many as theirs at every step: the first ones, also where they are shuffled."""
    config = config_of(tag_warmup=steps, tag_warmup_least=least, keep_tags=keep)
    for step in range(steps + 2):
        count = len(TAGS) - keep
        theirs = math.floor(step * ((count - least) / steps)) + least if step < steps else count
        shown = [*TAGS[:keep], *TAGS[keep:][:theirs]]
        assert text_of(_sample(), "a", 0, config, step=step) == ", ".join(shown)
        moved = text_of(_sample(), "a", 0, replace(config, shuffle_tags=True), step=step)
        assert sorted(moved.split(", ")) == sorted(shown or [""])


def test_all_is_drawn_from_the_seed() -> None:
    """Another seed, key, epoch or showing is another draw; the same one is the same text."""
    sample = _sample(("zzk", *(f"tag {n}" for n in range(12))), "one {a|b}\ntwo {c|d}")
    given: dict[str, Any] = {
        "wildcards": True, "tag_dropout": 0.3, "shuffle_tags": True, "caption_prefix": "x",
    }  # fmt: skip
    drawn = [
        text_of(sample, key, epoch, config_of(**given, seed=seed), nth)
        for seed in (0, 1) for key in "ab" for epoch in (0, 1) for nth in (0, 1)
    ]  # fmt: skip

    assert len(set(drawn)) == 16
    assert drawn[0] == text_of(sample, "a", 0, config_of(**given))
    assert len(_shown(sample, 200, **given, text_variants=3)) == 3


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"caption_dropout": 0.3},
        {"caption_dropout_every_epochs": 3, "caption_suffix": "x"},
        {"shuffle_tags": True, "tag_dropout": 0.4, "wildcards": True, "text_variants": 4},
    ],
)
def test_the_texts_that_can_be_shown_are_known(given: dict[str, Any]) -> None:
    """Where they are few they can be listed before they are shown; else that is said."""
    sample, config = _sample(caption="one\ntwo {a|b}"), config_of(**given)

    assert are_few(config)
    assert texts_of(sample, "a.png", config) == {*_shown(sample, 400, **given)}
    for many in ("shuffle_tags", "tag_dropout", "wildcards"):
        assert not are_few(config_of(**{many: 1.0 if many == "tag_dropout" else True}))
    assert not are_few(config_of(tag_warmup=3, text_variants=2))


def test_the_longest_text_is_counted() -> None:
    """Of each caption, with prefix and suffix, the longest words of wildcards, without weights."""
    sample = _sample(("(hat:1.2)",), "a {red|yellow} toy\nthe {{x}}")
    config = config_of(
        wildcards=True, weighted_words=True, caption_prefix="p", caption_suffix="s", tag_dropout=1
    )

    assert [" ".join(text.split()) for text in longest_texts(sample, config)] == [
        "p hat , a yellow toy s", "p hat , the {x} s",
    ]  # fmt: skip
    assert [*longest_texts(sample, config_of())] == [
        "(hat:1.2), a {red|yellow} toy", "(hat:1.2), the {{x}}",
    ]  # fmt: skip
