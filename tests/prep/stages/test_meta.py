"""What the dataset file says of each picture and of the whole."""

from typing import Any

import pytest

from prep.dataset import dataset_file
from prep.dataset.dataset_file import Concept, Dataset
from prep.dataset.sample_fields import PERSONS
from prep.stage import Page, Rows
from prep.stages.meta import Params, meta

FACTS = {
    "file": "meta.json", "root": "raw", "state": "raw/.prep", "program": "prep 1",
    "made_by": {"edit": {"version": 1}},
}  # fmt: skip


def row(**more: Any) -> dict[str, Any]:
    """Return the cells of one sample."""
    cells: dict[str, Any] = dict.fromkeys(
        (
            "caption", "concept", "weight", "lineage", "yours.tags", "yours.caption",
            *(f"meta.{name}" for name in PERSONS),
        )
    )  # fmt: skip
    cells |= {"digest": "d", "looks": {"size": [30, 20]}}
    cells["training_words"] = {"tags": ["a", "b"], "caption": None}
    return cells | {name.replace("meta_", "meta."): value for name, value in more.items()}


def made(rows: dict[str, dict[str, Any]], **params: Any) -> Dataset:
    """Return the dataset that the stage publishes for some samples."""
    page: Page = meta.run(Rows(rows, {"bad.png": "too small"}, FACTS), Params(**params))
    return dataset_file.parse(page.data.decode(), "meta.json")


def test_folders_are_concepts_and_may_name_repeats() -> None:
    """`10_toy/a.png` is of the concept toy, seen ten times; other folders as often as asked."""
    keys = ("10_toy/a.png", "10_toy/deep/b.png", "dog/c.png", "3_/d.png", "e.png")
    found = made({key: row() for key in keys}, repeats=2, trigger="sks")

    assert {key: one.concept for key, one in found.samples.items()} == {
        "10_toy/a.png": "toy", "10_toy/deep/b.png": "toy", "dog/c.png": "dog", "3_/d.png": "3_",
        "e.png": "",
    }  # fmt: skip
    assert found.concepts == {
        "": Concept(repeats=2, trigger="sks"), "3_": Concept(repeats=2, trigger="sks"),
        "dog": Concept(repeats=2, trigger="sks"), "toy": Concept(repeats=10, trigger="sks"),
    }  # fmt: skip


def test_a_concept_from_the_sheet_wins_over_the_folder() -> None:
    """What a person says a picture shows is what it shows."""
    found = made({"10_toy/a.png": row(concept="robot")})

    assert found.samples["10_toy/a.png"].concept == "robot"
    assert set(found.concepts) == {"", "robot"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("tags", "a, b"), ("caption", "A toy, red."), ("both", "a, b, A toy, red.")],
)
def test_what_trains_is_what_was_asked_for(text: str, wanted: str) -> None:
    """Tags, the caption, or the tags and then the caption; commas of a caption stay in it."""
    found = made({"a.png": row(caption="A toy, red.")}, text=text)

    assert found.samples["a.png"].text == text
    assert found.samples["a.png"].training_text() == wanted


def test_a_person_s_fields_hold() -> None:
    """Tags, caption, text, weight, concept and split that a person wrote stand as written."""
    edits = {
        "meta_tags": ["mine"], "meta_caption": "Mine.", "meta_text": "both", "meta_weight": 0.5,
        "meta_concept": "c", "meta_split": "validation",
    }  # fmt: skip
    one = made({"a.png": row(**edits)}).samples["a.png"]

    assert (one.tags, one.caption, one.text) == (("mine",), "Mine.", "both")
    assert (one.weight, one.concept, one.split) == (0.5, "c", "validation")


def test_the_file_accounts_for_every_picture() -> None:
    """What was left out stands in the file with its reason, and the counts add up."""
    found = made({"a.png": row(weight=2.0)})

    assert found.left_out == {"bad.png": "too small"}
    assert found.counts() == {"samples": 1, "left_out": 1}
    assert (found.root, found.state) == ("raw", "raw/.prep")
    assert found.made_by == {"program": "prep 1", "stages": {"edit": {"version": 1}}}
    assert (found.samples["a.png"].weight, found.samples["a.png"].original_size) == (2.0, (30, 20))


def test_a_derived_picture_keeps_its_lineage() -> None:
    """A mirror image names its source and says that it is mirrored."""
    source = {"key": "a.png", "box": [0, 0, 30, 20], "flip": True}
    one = made({"a.png@flip.png": row(lineage=source)}).samples["a.png@flip.png"]

    assert one.flip
    assert one.source == source
