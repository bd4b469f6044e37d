"""Dataset files that continue one another, and a person's values in them."""

from dataclasses import replace
from typing import Any

from prep.dataset.chain import continued, edited
from prep.dataset.dataset_file import Concept, Dataset, Sample, dump

ONE = Sample("00", (640, 480), ("1girl", "^_^"), "a girl", size=(600, 450), crop=(0, 1, 512, 449))
ALL = Dataset(
    root="raw",
    samples={"a.png": ONE, "\u732b/b.png": replace(ONE, text="both", flip=True)},
    concepts={"": Concept(), "\u732b": Concept(10, "neko", "cat", regularisation=True)},
    left_out={"c.png": "too small"},
    base="tiny",
)


def test_a_persons_values_replace_the_machines() -> None:
    """What a person wrote holds; fields that they left alone stay as they were."""
    row: dict[str, Any] = dict.fromkeys(
        f"meta.{name}" for name in ("tags", "caption", "text", "weight", "concept", "split")
    )

    assert edited(ONE, row) == ONE
    assert edited(ONE, row | {"meta.tags": ["x"], "meta.weight": 0.5}) == replace(
        ONE, tags=("x",), weight=0.5
    )


def test_the_next_file_of_the_chain() -> None:
    """Samples without a row leave the dataset with their reason; concepts and base go along."""
    kept: dict[str, Any] = dict.fromkeys(
        f"meta.{name}" for name in ("tags", "caption", "text", "weight", "concept", "split")
    )
    facts = {
        "previous": dump(ALL),
        "file": "meta.json",
        "root": "raw",
        "state": "s",
        "program": "prep 9",
        "made_by": {"bucket": 1},
    }

    def moved(sample: Sample, row: Any) -> Sample:
        return replace(sample, bucket=row["bucket"])

    after = continued(facts, {"a.png": kept | {"bucket": (64, 64)}}, {}, moved)

    assert after.samples == {"a.png": replace(ONE, bucket=(64, 64))}
    assert after.left_out == {"c.png": "too small", "\u732b/b.png": "it is gone"}
    assert (after.concepts, after.base, after.state) == (ALL.concepts, "tiny", "s")
    assert after.made_by == {"program": "prep 9", "stages": {"bucket": 1}}
