import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.runtime.errors import ModelFileError, UserError
from tagger_models.labels.csv_files import READERS, csv_labels
from tagger_models.labels.label import Label
from tagger_models.labels.plain_files import index_labels, line_labels, mapping_labels

AGAIN = "fetch the file again from where the model came from"
PUBLISHED = "use the label file that was published with the model"
Reader = Callable[[str, str], tuple[Label, ...]]
ODD = ["null", "nan", "=_=", "+_+", "-1", "1e10", "true", "^_^", ";d", "\\m/", "'", "?", 'a_"b"']


def told(reader: Reader, text: str) -> tuple[str, str | None]:
    with pytest.raises(ModelFileError) as raised:
        reader(text, "f")
    return str(raised.value), raised.value.hint


def test_names_are_kept_to_the_letter_in_every_format() -> None:
    """Names that spreadsheets and parsers would change come through unchanged, in order."""
    plain = tuple(Label(name, "general") for name in ODD)

    assert line_labels("\n".join(ODD) + "\n", "f") == plain
    assert index_labels(json.dumps(ODD), "f") == plain
    numbered = dict(enumerate(ODD))
    assert index_labels(json.dumps(numbered), "f") == plain
    assert mapping_labels(
        json.dumps({"idx_to_tag": numbered, "tag_to_category": dict.fromkeys(ODD, "general")}), "f"
    ) == plain  # fmt: skip


def test_lines_of_deepdanbooru() -> None:
    """`rating:` begins a rating; blank lines and Windows line ends change nothing."""
    text = "1girl\r\n\r\n  rating:safe\r\nrating:explicit\r\n"

    assert line_labels(text, "f") == (
        Label("1girl", "general"),
        Label("rating:safe", "rating"),
        Label("rating:explicit", "rating"),
    )


def test_both_shapes_of_a_mapping() -> None:
    """cl_tagger's two shapes are one vocabulary, by index, whatever the order and the case."""
    one = {
        "1": {"tag": "reimu", "category": "Character"},
        "0": {"tag": "safe", "category": "Rating"},
        "2": {"tag": "masterpiece", "category": "Quality"},
    }
    two = {
        "idx_to_tag": {key: row["tag"] for key, row in one.items()},
        "tag_to_category": {row["tag"]: row["category"].lower() for row in one.values()},
    }
    wanted = (
        Label("safe", "rating"), Label("reimu", "character"), Label("masterpiece", "quality")
    )  # fmt: skip

    assert mapping_labels(json.dumps(one), "f") == wanted
    assert mapping_labels(json.dumps(two), "f") == wanted


@pytest.mark.parametrize(
    ("reader", "text", "message", "hint"),
    [
        (line_labels, "cat\ndog\ncat\n", "`f` line 3: `cat` is already on line 1", AGAIN),
        (line_labels, "a\x1b[2Jb\n", "`f` line 1: the label's name is empty or unprintable", AGAIN),
        (line_labels, "\n \n", "`f` holds no labels", AGAIN),
        (index_labels, "<html>", "`f` is damaged: it is not JSON", AGAIN),
        (index_labels, '{"0": "a", "2": "b"}', "`f` is not a label file: it lacks 1", PUBLISHED),
        (
            index_labels, '{"a": 1}', "`f` is not a label file: it maps no indexes to labels",
            PUBLISHED,
        ),
        (
            index_labels, "3", "`f` is not a label file: it maps no indexes to labels", PUBLISHED
        ),
        (index_labels, "[]", "`f` holds no labels", AGAIN),
        (index_labels, '["a", 3]', "`f` label 1: the label's name is empty or unprintable", AGAIN),
        (index_labels, '["a", "a"]', "`f` label 1: `a` is already on label 0", AGAIN),
        (
            mapping_labels, '{"0": {"tag": "a"}}', "`f` label 0: category `none` is not known",
            "known: artist, character, copyright, general, meta, model, quality, rating, year",
        ),
        (
            mapping_labels, '{"0": "a"}', "`f` label 0: the label's name is empty or unprintable",
            AGAIN,
        ),
        (
            mapping_labels, '{"idx_to_tag": ["a"], "tag_to_category": {}}',
            "`f` is not a label file: it maps no indexes to labels", PUBLISHED,
        ),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_is_told(reader: Reader, text: str, message: str, hint: str) -> None:
    """What is torn, or of another kind, is two lines with the place."""
    assert told(reader, text) == (message, hint)


def test_a_table_by_its_columns() -> None:
    """Columns are found by name, in any order; thresholds and works are read where they are."""
    text = (
        "id,tag_id,name,category,count,ips,best_threshold\n"
        '0,9,hat,0,1,[],0.25\n1,8,reimu,4,1,"[""touhou"", ""th06""]",0.5\n2,7,plain,0,1,,\n'
    )

    assert csv_labels(text, "f") == (
        Label("hat", "general", 0.25),
        Label("reimu", "character", 0.5, ("touhou", "th06")),
        Label("plain", "general"),
    )
    assert csv_labels("category,name\n4,reimu\n", "f") == (Label("reimu", "character"),)


def test_a_table_of_e621() -> None:
    """Codes mean what they mean on the site: 5 is a species there, and meta elsewhere."""
    text = "name,category\nwolf,5\nsolo,0\nhi_res,7\nyoung,8\n"

    found = [label.category for label in READERS["e621-csv"](text, "f")]

    assert found == ["species", "general", "meta", "lore"]
    assert READERS["csv"]("name,category\nhighres,5\n", "f")[0].category == "meta"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("hat,0,2,", "`f` line 2: `2` is not a threshold between 0 and 1"),
        ("hat,0,x,", "`f` line 2: `x` is not a threshold between 0 and 1"),
        ("hat,0,nan,", "`f` line 2: `nan` is not a threshold between 0 and 1"),
        ("hat,0,0.5,touhou", "`f` line 2: `ips` is not a list of names"),
        ("hat,0,0.5,[1]", "`f` line 2: `ips` is not a list of names"),
    ],
)
def test_a_cell_that_cannot_be(row: str, message: str) -> None:
    """A threshold over 1 or works that are no list stop the loading, with the line."""
    assert told(csv_labels, f"name,category,best_threshold,ips\n{row}\n") == (message, AGAIN)


def test_a_table_without_its_columns() -> None:
    """A table that lacks `name` or `category` is no label file."""
    assert told(csv_labels, "tag,kind\nhat,0\n") == (
        "`f` is not a label file: its first line has no `name` and `category`", PUBLISHED
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(READERS)), st.text(max_size=60))
def test_any_text_is_labels_or_two_lines(kind: str, text: str) -> None:
    """Whatever a label file holds, it is labels or told; never a traceback."""
    for head in ("", "tag_id,name,category,count\n", '{"idx_to_tag": '):
        labels: tuple[Label, ...] | None = None
        hint: str | None = None
        try:
            labels = READERS[kind](head + text, "f")
        except UserError as error:
            hint = error.hint
        assert bool(labels) != bool(hint)
        assert all(label.name.isprintable() for label in labels or ())


_NAMES = st.text("ab_", max_size=2) | st.integers() | st.lists(st.none()) | st.just({})
_WORDS = st.sampled_from(["general", "Rating", "", "x"]) | st.integers() | st.none() | st.just([])


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["index-json", "mapping-json"]),
    st.lists(_NAMES, max_size=3),
    st.lists(st.tuples(_NAMES, _WORDS), max_size=3),
    _WORDS,
)
def test_any_json_is_labels_or_two_lines(
    kind: str, names: list[object], pairs: list[tuple[object, object]], word: object
) -> None:
    """JSON of the right shape with wrong values in any place is told; never a traceback."""
    kinds = {str(name): word for name, word in pairs}
    for whole in (
        names,
        dict(enumerate(names)),
        {n: {"tag": name, "category": word} for n, (name, word) in enumerate(pairs)},
        {"idx_to_tag": dict(enumerate(names)), "tag_to_category": kinds},
        {"idx_to_tag": dict(enumerate(names)), "tag_to_category": word},
    ):
        with suppress(UserError):
            labels = READERS[kind](json.dumps(whole), "f")
            assert [label.name for label in labels] in (names, [name for name, _ in pairs])
