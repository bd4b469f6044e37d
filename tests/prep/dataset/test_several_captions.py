"""Several captions of a picture: a line each beside it, a list in the dataset file."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prep.dataset import dataset_file
from prep.dataset.dataset_file import Dataset, Sample, dump, parse
from prep.dataset.wording import captions
from prep.edits.record import PictureRecord
from prep.runtime.errors import DatasetError

Prep = Callable[..., Any]
Draw = Callable[..., Path]
ONE = Sample("00", (64, 64), ("hat",), "a toy", text="caption")
LINES = "a toy, red\nthe toy on a table"


@pytest.mark.parametrize(
    ("text", "each"),
    [
        ("a toy", ("a toy",)),
        (" a toy\n", (" a toy\n",)),
        ("", ("",)),
        ("a toy\r\n\n  the toy  \n", ("a toy", "the toy")),
    ],
)
def test_each_line_with_words_is_a_caption(text: str, each: tuple[str, ...]) -> None:
    """Blank lines are none; one caption alone stays as it was written."""
    assert captions(text) == each


@pytest.mark.parametrize("name", ["meta.json", "meta.jsonl"])
def test_several_captions_are_a_list_in_the_file(name: str) -> None:
    """They come back as they were; one caption stands in the file as it ever did."""
    both = Dataset(".", {"a.png": ONE, "b.png": replace(ONE, caption=LINES)})
    text = dump(both, name).decode()

    assert '"caption": "a toy", ' in text
    assert '"caption": ["a toy, red", "the toy on a table"], ' in text
    assert parse(text, name) == both


def test_a_list_of_captions_may_be_typed() -> None:
    """A list of one is one caption, and a text with lines in a file of before is still read."""
    head = '{"format": "prep-dataset", "version": 1, "samples": {"a.png": %s}}'
    row: dict[str, Any] = {"digest": "00", "original_size": [64, 64], "tags": ["hat"]}

    for given in (["a toy"], ["a toy, red", "the toy on a table"], LINES):
        found = parse(head % json.dumps(row | {"caption": given, "text": "caption"}), "meta.json")
        assert found.samples["a.png"].caption == ("a toy" if given == ["a toy"] else LINES)
    for wrong in ([], ["a toy", ""], ["a", "b\nc"]):
        with pytest.raises(DatasetError) as caught:
            parse(head % json.dumps(row | {"caption": wrong}), "meta.json")
        assert str(caught.value) == (
            "`meta.json`: `caption` of `a.png` has an entry without words, or of several lines"
        )


def test_each_caption_has_its_trigger_and_its_tags() -> None:
    """The trigger is in front of those that do not begin with it; tags are before each."""
    two = replace(ONE, caption="zzk, a toy\nthe toy")
    texts = {kind: [one.text() for one in replace(two, text=kind).wordings("zzk")]
             for kind in ("tags", "caption", "both")}  # fmt: skip

    assert texts == {
        "tags": ["hat"],
        "caption": ["zzk, a toy", "zzk, the toy"],
        "both": ["hat, zzk, a toy", "hat, the toy"],
    }


def test_tokens_are_those_of_the_longest() -> None:
    """A filter on `tokens` asks what the longest caption needs, not all of them together."""
    picture = PictureRecord(caption="a b\na b c", text="caption", count=lambda t: len(t.split()))

    assert picture.number("tokens") == 3


def test_lines_beside_a_picture_become_captions(draw: Draw, prep: Prep) -> None:
    """`prep edit` reads a caption a line; `prep why` names each; over-long ones are told apart."""
    draw("raw/a.png")
    Path("raw/a.caption").write_text(f"{LINES}\n\n{'cat ' * 76}\n")

    assert prep("edit", "raw", "--text", "caption").code == 0
    found = json.loads(Path("meta.json").read_text())["samples"]["a.png"]["caption"]
    assert found == [*LINES.split("\n"), ("cat " * 76).strip()]
    assert prep("edit", "raw", "--text", "caption").code == 0
    said = prep("why", "a.png", "--in", "raw").out
    assert "meta.json: trains on `a toy, red` or `the toy on a table` or `cat cat" in said
    assert "`a.png (3)` has 76 tokens, over 75" in prep("tags", "meta.json", "--lint").out
    assert "`a.png (caption) (3)` has 76 tokens" in prep("tags", "raw", "--lint").out


def test_a_list_typed_into_the_dataset_file_is_kept(draw: Draw, prep: Prep) -> None:
    """Several captions that a person writes there stay through the next run."""
    draw("raw/a.png")
    Path("raw/a.caption").write_text("a toy\n")
    prep("edit", "raw", "--text", "caption")
    before = json.loads(Path("meta.json").read_text())
    before["samples"]["a.png"]["caption"] = ["one", "two"]
    Path("meta.json").write_text(json.dumps(before))

    assert prep("edit", "raw", "--text", "caption").code == 0
    assert dataset_file.load(Path("meta.json")).samples["a.png"].caption == "one\ntwo"
    assert '"caption": ["one", "two"]' in Path("meta.json").read_text()
