import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prep.models.locate import Models
from prep.tagging.rendering import Style, renderer
from tagger_models.ensemble import WAYS, Combiner, Tagger, joined
from tagger_models.labels.label import Label
from tagger_models.scores import packed, unpacked
from tagger_models.vocabulary import asks, vocabulary

ONE = Tagger(
    (
        Label("safe", "rating"),
        Label("cat", "general"),
        Label("only_one", "general"),
        Label("reimu", "character", series=("touhou",)),
        Label("strict", "general", threshold=0.8),
    ),
    {"general": 0.25, "character": 0.85},
)
TWO = Tagger(
    (
        Label("strict", "general"),
        Label("cat", "general"),
        Label("safe", "rating"),
        Label("only_two", "general"),
        Label("zun", "artist"),
        Label("nsfw", "rating"),
        Label("reimu", "general"),
    ),
    {"general": 0.5, "artist": 0.6},
)
BOTH = joined(ONE, TWO)


def scores(**given: float) -> dict[str, float]:
    return given


def combined(
    way: str, ones: dict[str, float], twos: dict[str, float], share: float = 0.5
) -> dict[str, float]:
    """Return label -> combined score; `name@category` where a name has two."""

    def bytes_of(tagger: Tagger, given: dict[str, float]) -> bytes:
        names = [label.name for label in tagger.labels]
        return packed(sorted((names.index(name), score) for name, score in given.items()))

    found = Combiner(BOTH, way, share)(bytes_of(ONE, ones), bytes_of(TWO, twos))
    return {BOTH.labels[at].name: pytest.approx(value, abs=1e-3) for at, value in unpacked(found)}


def test_the_vocabulary_is_the_firsts_then_what_only_the_second_knows() -> None:
    """Labels are one by name and category; one name in two categories is two labels."""
    assert BOTH.labels == (
        *ONE.labels,
        Label("only_two", "general"),
        Label("zun", "artist"),
        Label("nsfw", "rating"),
        Label("reimu", "general"),
    )
    assert BOTH.thresholds == {"general": 0.25, "character": 0.85, "artist": 0.6}


def test_one_way_of_writing_a_name() -> None:
    """A tagger that writes spaces knows the same tags as one that writes underscores."""
    spaces = Tagger((Label("long hair", "general"), Label("^_^", "general")), {})
    lines = Tagger((Label("long_hair", "general"), Label("^_^", "general")), {})

    assert joined(lines, spaces).labels == lines.labels


@pytest.mark.parametrize(
    ("way", "wanted"),
    [
        # 0.5 of the second is 0.25 of the first; 0.75, half-way up from there, is 0.625.
        ("union", {"safe": 0.5, "cat": 0.625, "only_one": 0.3, "only_two": 0.25, "nsfw": 0.0}),
        ("intersection", {"safe": 0.5, "cat": 0.4, "nsfw": 0.0}),
        ("mean", {"safe": 0.5, "cat": 0.5125, "only_one": 0.3, "only_two": 0.25, "nsfw": 0.0}),
    ],
)
def test_the_ways(way: str, wanted: dict[str, float]) -> None:
    """Either is sure, both are, or their mean; what one alone knows is its own, or left out."""
    ones = scores(safe=0.75, cat=0.4, only_one=0.3)
    twos = scores(safe=0.25, cat=0.75, only_two=0.5)

    assert combined(way, ones, twos) == wanted


def test_a_mean_is_weighted() -> None:
    """The share is the first one's weight; a score that was not kept counts as nothing."""
    assert combined("mean", scores(cat=0.4, safe=1.0), scores(cat=0.75, safe=0.5), 0.8) == {
        "safe": 0.9, "cat": 0.8 * 0.4 + 0.2 * 0.625, "nsfw": 0.0
    }  # fmt: skip
    assert combined("mean", scores(cat=0.4), {}) == {"safe": 0.0, "cat": 0.2, "nsfw": 0.0}


def test_a_threshold_of_a_label_counts() -> None:
    """Where the first has a threshold for a label of its own, the second's becomes that one."""
    assert combined("union", scores(strict=0.1), scores(strict=0.5))["strict"] == 0.8
    assert combined("intersection", scores(strict=0.9), scores(strict=0.25))["strict"] == 0.4


def test_a_category_without_thresholds_is_taken_as_it_is() -> None:
    """Where the first has no threshold for a category, the second's scores stand."""
    assert combined("union", {}, scores(zun=0.7, reimu=0.75)) == {
        "safe": 0.0, "zun": 0.7, "nsfw": 0.0, "reimu": 0.625
    }  # fmt: skip


@pytest.mark.parametrize("levels", [(0.2614, 0.5296), (0.5296, 0.2614), (0.35, 0.35), (0.85, 0.7)])
def test_a_union_keeps_what_either_keeps(levels: tuple[float, float]) -> None:
    """Over all scores there are: kept by one of them alone, at its own threshold, or by neither."""
    label = (Label("cat", "general"),)
    first, second = (Tagger(label, {"general": level}) for level in levels)
    alone = [renderer(one.labels, Style(one.thresholds)) for one in (first, second)]
    both = joined(first, second)
    together = renderer(both.labels, Style(both.thresholds))
    steps = np.arange(0.01, 1.0, 0.0037).astype(np.float16).astype(float).tolist()
    steps += [float(np.float16(level)) for level in levels]
    random.Random(3).shuffle(steps)

    for one, two in zip(steps, steps[::-1], strict=True):
        a, b = packed([(0, one)]), packed([(0, two)])
        kept = [bool(alone[0](a)), bool(alone[1](b))]
        for way, wanted in (("union", any(kept)), ("intersection", all(kept))):
            assert bool(together(Combiner(both, way, 0.5)(a, b))) == wanted, (way, one, two)


def test_a_tagger_with_itself_is_itself() -> None:
    """Combined with itself in any way, a tagger's scores are its own, to the bit."""
    both = joined(ONE, ONE)
    data = packed([(0, 0.9), (1, 0.3), (2, 0.0101), (3, 0.5), (4, 1.0)])

    assert both.labels == ONE.labels
    for way in WAYS:
        assert Combiner(both, way, 0.3)(data, data) == data


def test_series_and_thresholds_come_along() -> None:
    """A character of the second alone keeps its series; the first's labels are as they were."""
    two = replace(TWO, labels=(Label("marisa", "character", 0.4, ("touhou",)),))

    assert joined(ONE, two).labels[-1] == Label("marisa", "character", None, ("touhou",))


def test_labels_are_found_for_one_tagger_or_two(tmp_path: Path) -> None:
    """The vocabulary of `tiny` is its own; with a second one, that of both."""
    for name, extra in (("a", "1,cat,0,1\n"), ("b", "1,dog,0,1\n2,cat,0,1\n")):
        (tmp_path / name).mkdir()
        text = "tag_id,name,category,count\n" + extra
        (tmp_path / name / "selected_tags.csv").write_text(text, encoding="utf-8")
    one, two = str(tmp_path / "a"), str(tmp_path / "b")
    models = Models(tmp_path / "home", offline=True)

    def names(second: str) -> list[str]:
        found = [models.find(ask) for ask in asks(one, second)]
        labels, thresholds = vocabulary(one, second, found)
        assert thresholds == {"general": 0.35, "character": 0.85}
        return [label.name for label in labels]

    assert names("") == ["cat"]
    assert names(two) == ["cat", "dog"]
