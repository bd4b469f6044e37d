import csv
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.runtime.errors import ConfigError
from prep.runtime.text_files import decode, encode
from prep.tagging.rendering import Style, checked_order, renderer, series_of
from prep.tags.tag_text import BLOCKS, KAOMOJI, block, joined, parsed, spaced
from tagger_models.labels.label import Label
from tagger_models.scores import packed

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"
LABELS = (
    Label("general", "rating"),
    Label("sensitive", "rating"),
    Label("long_hair", "general"),
    Label("1girl", "general"),
    Label("smile", "general"),
    Label("eileen_(ren'py)", "character"),
    Label("solo", "general"),
    Label("highres", "meta"),
    Label("odd", "odd"),
    Label("^_^", "general"),
)
ALL = {"general": 0.35, "character": 0.85, "meta": 0.1, "odd": 0.1}

Pairs = Sequence[tuple[int, float]]


def rendered(
    scores: Pairs,
    labels: Sequence[Label] = LABELS,
    thresholds: Mapping[str, float] = ALL,
    **more: Any,
) -> list[str]:
    """Return the tags of one picture."""
    return renderer(labels, Style(thresholds, **more))(packed(scores))


def reference(scores: Pairs, style: Style) -> list[str]:
    """Return the same, worked out sample by sample in plain Python, from the definition."""
    kept = [
        (i, s)
        for i, s in scores
        if s >= style.of_labels.get(LABELS[i].name, style.thresholds.get(LABELS[i].category, 9))
        and LABELS[i].category != "rating"
    ]
    kept = sorted(kept, key=lambda pair: (-pair[1], pair[0]))[: style.most or None]
    lists: dict[str, list[str]] = {name: [] for name in (*style.order, "")}
    for i, _ in kept:
        of = block(spaced(LABELS[i].name), LABELS[i].category)
        lists[of if of in lists else ""].append(spaced(LABELS[i].name))
    rates = [(s, -i) for i, s in scores if LABELS[i].category == "rating"]
    if style.rating and rates and max(rates)[0] >= style.rating_least:
        lists["rating" if "rating" in lists else ""].insert(0, LABELS[-max(rates)[1]].name)
    return [tag for tags in lists.values() for tag in tags]


def test_tags_come_in_blocks_most_probable_first() -> None:
    """Count tags, then characters, then the rest; equal probabilities keep label order."""
    scores = [(8, 0.9), (7, 0.9), (6, 0.9), (4, 0.5), (2, 0.5), (3, 0.99), (5, 0.9), (1, 0.8)]

    assert rendered(scores) == [
        "1girl", "solo", "eileen (ren'py)", "long hair", "smile", "highres", "odd",
    ]  # fmt: skip
    assert rendered(scores, order=("odd", "general"))[:3] == ["odd", "long hair", "smile"]


@pytest.mark.parametrize("threshold", [0.01, 0.1, 0.2614, 0.3, 0.35, 0.5296, 0.85, 1.0])
def test_a_threshold_keeps_what_equals_it(threshold: float) -> None:
    """A probability at the threshold is kept whatever its kept form rounds to, one below is not."""
    scores = [(2, threshold), (4, threshold * 0.998), (5, 0.99)]

    assert rendered(scores, thresholds={"general": threshold}) == ["long hair"]


def test_a_tag_may_have_a_threshold_of_its_own() -> None:
    """A tag's own threshold holds in place of its category's, higher or lower; not for ratings."""
    scores = [(0, 0.99), (2, 0.3), (4, 0.6), (7, 0.9)]
    own = {"long_hair": 0.25, "smile": 0.7, "general": 0.1}

    assert rendered(scores, of_labels=own, thresholds={"general": 0.5}) == ["long hair"]
    assert rendered(scores, of_labels={"highres": 0.5}, thresholds={}) == ["highres"]


def test_only_the_most_probable_are_kept_where_so_many_are_asked_for() -> None:
    """`most` counts over all categories; the rating and added series are not counted."""
    scores = [(0, 0.9), (2, 0.5), (4, 0.9), (6, 0.6), (5, 0.86), (7, 0.5)]

    assert rendered(scores, most=3) == ["solo", "eileen (ren'py)", "smile"]
    assert rendered(scores, most=4)[-1] == "long hair"  # of equals, the first label
    assert rendered(scores[::-1], most=4) == rendered(scores, most=4)
    assert len(rendered(scores, most=99)) == len(rendered(scores)) == 5
    assert rendered(scores, most=1, rating=True) == ["general", "smile"]


def test_a_rating_is_the_most_probable_one_and_only_when_asked() -> None:
    """The rating is an arg-max, never thresholded by category; a tie goes to the first label."""
    scores = [(0, 0.4), (1, 0.4), (2, 0.9)]
    thresholds = {"general": 0.5, "rating": 0.0}

    assert rendered(scores, thresholds=thresholds) == ["long hair"]
    assert rendered(scores, rating=True) == ["general", "long hair"]
    assert rendered(scores, rating=True, order=("general",)) == ["long hair", "general"]
    assert rendered([(2, 0.9)], rating=True) == ["long hair"]


def test_a_rating_can_be_added_only_where_it_is_sure() -> None:
    """Under its threshold there is no rating among the tags; at it, there is."""
    scores = [(0, 0.1), (1, 0.6), (2, 0.9)]

    assert rendered(scores, rating=True, rating_least=0.6) == ["sensitive", "long hair"]
    assert rendered(scores, rating=True, rating_least=0.61) == ["long hair"]
    assert rendered(scores, rating=False, rating_least=0.1) == ["long hair"]


ids = st.integers(0, len(LABELS) - 1)
some_scores = st.lists(st.tuples(ids, st.floats(0, 1, width=16)), unique_by=lambda pair: pair[0])
# Exact in float16, in which scores and thresholds are compared.
exact = st.sampled_from([0.0, 0.25, 0.375, 0.5, 0.75, 1.0])


@given(
    some_scores,
    st.dictionaries(st.sampled_from(["general", "character", "meta", "rating"]), exact),
    st.dictionaries(st.sampled_from(["smile", "odd", "general", "1girl"]), exact),
    st.integers(0, 4),
    st.permutations(BLOCKS),
)
def test_rendering_is_what_its_definition_says(
    scores: Pairs, thresholds: dict[str, float], own: dict[str, float], most: int, order: list[str]
) -> None:
    """Tables worked out once give what the plain definition gives, in any order of scores."""
    cut = len(order) - most
    style = Style(
        thresholds, own, most=most, rating=most % 2 == 1, rating_least=0.5, order=order[:cut]
    )

    found = renderer(LABELS, style)(packed(scores))

    assert found == reference(scores, style)
    assert renderer(LABELS, style)(packed(scores[::-1])) == found


def test_underscores_stay_where_they_are_asked_for() -> None:
    """Faces always keep theirs; a further label does where it is named, all by one option."""
    scores = [(2, 0.9), (5, 0.9), (9, 0.8)]

    assert rendered(scores) == ["eileen (ren'py)", "long hair", "^_^"]
    assert rendered(scores, underscores=True) == ["eileen_(ren'py)", "long_hair", "^_^"]
    assert rendered(scores, faces=KAOMOJI | {"long_hair"})[1] == "long_hair"


CAST = (
    Label("abigail_williams_(traveling_outfit)_(fate)", "character"),
    Label("saber_(fate)", "character"),
    Label("kaga_(battleship)", "character"),
    Label("usada_pekora_(1st_costume)", "character"),
    Label("tokoyami_towa_(1st_costume)", "character"),
    Label("hu_tao_(genshin_impact)", "character", series=("genshin_impact", "honkai_(series)")),
    Label("sketch_(fate)", "general"),
    Label("hatsune_miku", "character"),
    Label("fate", "copyright"),
    Label("ganyu_(genshin_impact)", "character"),
)


def test_a_character_brings_its_series() -> None:
    """By what the label file knows, or else by the brackets that several characters share."""
    known = {5: ("genshin impact", "honkai (series)")}

    assert series_of(CAST, Style({})) == {}
    assert series_of(CAST, Style({}, series="known")) == known
    assert series_of(CAST, Style({}, series="name")) == known | {
        0: ("fate",), 1: ("fate",), 9: ("genshin impact",),
    }  # fmt: skip
    assert series_of(CAST, Style({}, series="name", underscores=True))[5] == (
        "genshin_impact", "honkai_(series)",
    )  # fmt: skip


def test_a_series_stands_in_its_block_once() -> None:
    """Two characters of a series, which the tagger found as well, add it once, after them."""
    scores = [(0, 0.7), (1, 0.9), (6, 0.8), (8, 0.1)]
    limits = {"character": 0.5, "general": 0.5, "copyright": 0.05}

    assert rendered(scores, CAST, limits, series="name") == [
        "saber (fate)", "abigail williams (traveling outfit) (fate)", "fate", "sketch (fate)",
    ]  # fmt: skip
    assert rendered(scores[:2], CAST, limits, series="name", most=1) == ["saber (fate)", "fate"]


def test_blocks_are_checked_before_any_picture() -> None:
    """An order that names an unknown block is two lines; those left out come last."""
    assert checked_order("general,  character") == ("general", "character")
    with pytest.raises(ConfigError, match=r"^no block of tags is named `charcter`$") as told:
        checked_order("general, charcter")
    assert told.value.hint == "did you mean `character`?"


def vocabularies() -> dict[str, list[str]]:
    """Return the names of the four vocabularies: file -> names, each once."""
    if not SHARED.is_dir():
        pytest.skip("../shared/data is absent")
    found: dict[str, list[str]] = {}
    for name, columns, header in (
        ("danbooru-tags/danbooru_top.csv", 1, 0),
        ("danbooru-tags/e621_sfw.csv", 1, 0),
        ("danbooru-tags/tag_aliases.csv", 2, 1),
        ("danbooru-tags/tag_implications.csv", 2, 1),
        ("wd-selected-tags-synthetic/selected_tags.csv", 2, 1),
    ):
        with (SHARED / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[header:]
        cells = [row[1:2] if "selected" in name else row[:columns] for row in rows]
        found[name] = list(dict.fromkeys(one for row in cells for one in row if one))
    return found


@pytest.mark.parametrize("escape", [False, True])
@pytest.mark.parametrize("underscores", [False, True])
def test_every_name_survives_rendering_and_reading(escape: bool, underscores: bool) -> None:
    """Row 31: rendered, written, read back and rendered again, each name is the same."""
    for file, names in vocabularies().items():
        labels = [Label(unicodedata.normalize("NFC", name), "general") for name in names]
        style = Style({"general": 0.5}, underscores=underscores)
        render = renderer(labels, style)
        first = render(packed([(i, 0.9) for i in range(len(labels))]))
        read = parsed(decode(encode(joined(first, escape))))
        at = {tag: i for i, tag in enumerate(first)}

        assert len(first) == len(names) > 3000, file
        assert list(read) == first, file
        assert render(packed([(at[tag], 0.9) for tag in read])) == first, file
        back = [tag if tag in KAOMOJI else tag.replace(" ", "_") for tag in read]
        assert sorted(back) == sorted(label.name for label in labels), file
