"""The dataset file: what is written comes back, what is wrong is told."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.dataset.dataset_file import Concept, Dataset, Sample, dump, load, parse
from prep.models.vae_files import Vae
from prep.runtime.errors import DatasetError

ONE = Sample("00", (640, 480), ("1girl", "^_^"), "a girl", size=(600, 450), crop=(0, 1, 512, 449))
ALL = Dataset(
    root="raw",
    state="raw/.prep",
    samples={
        "a.png": ONE,
        "\u732b/b.png": replace(ONE, text="both", flip=True, bucket=(512, 448), latents="l/x"),
    },
    concepts={"": Concept(), "\u732b": Concept(10, "neko", "cat", regularisation=True)},
    made_by={"program": "prep"},
    left_out={"c.png": "too small"},
    base="tiny",
    vae=Vae("tiny", "ab", 0.18215, 0.0, 4),
)
HEAD = '{"format": "prep-dataset", "version": 1, "samples": {"a.png": %s}}'


@pytest.mark.parametrize("name", ["meta.json", "meta.jsonl"])
def test_a_dataset_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    """Both forms hold everything, and the same dataset is always the same bytes."""
    file = tmp_path / name
    file.write_bytes(dump(ALL, name))
    turned = replace(ALL, samples=dict(reversed(ALL.samples.items())))

    assert load(file) == ALL
    assert dump(load(file), name) == dump(turned, name) == file.read_bytes()


def test_a_latent_space_of_the_usual_factor_is_told_as_ever() -> None:
    """Files of before stay as they were, byte for byte; another factor is told and read back."""
    usual = json.loads(dump(ALL))["vae"]
    smaller = replace(ALL, vae=Vae("tiny", "ab", 0.41407, 0.0, 32, 32))

    assert usual == {
        "name": "tiny", "digest": "ab", "scaling_factor": 0.18215, "shift_factor": 0.0,
        "channels": 4,
    }  # fmt: skip
    assert parse(dump(smaller).decode(), "meta.json") == smaller


def test_the_format_is_read_by_people_and_diffs() -> None:
    """UTF-8, one sample a line, keys sorted, counts at the top."""
    text = dump(ALL).decode()
    rows = [line for line in text.splitlines() if line.startswith("  ")]

    assert json.loads(text)["counts"] == {"samples": 2, "left_out": 1}
    assert [row.split('"')[1] for row in rows] == ["a.png", "\u732b/b.png"]
    assert text.endswith("\n }\n}\n")


@given(st.text(), st.lists(st.text()), st.sampled_from(["tags", "caption", "both"]))
def test_any_text_comes_back(caption: str, tags: list[str], text: str) -> None:
    """Whatever a person writes survives the file, lone surrogates apart, which no file can hold."""
    sample = replace(ONE, caption=caption, tags=tuple(tags), text=text)
    try:
        data = dump(Dataset(".", {"a.png": sample}))
    except UnicodeEncodeError:
        return

    assert parse(data.decode(), "meta.json").samples["a.png"] == sample


@pytest.mark.parametrize(
    ("text", "trains"),
    [("tags", "1girl, ^_^"), ("caption", "a girl"), ("both", "1girl, ^_^, a girl")],
)
def test_what_a_sample_trains_on(text: str, trains: str) -> None:
    """Tags, the caption, or tags, a comma and the caption; an empty part adds no comma."""
    sample = replace(ONE, text=text)

    assert sample.training_text() == trains
    assert replace(sample, text="both", tags=()).training_text() == "a girl"
    assert replace(sample, text="both", caption="").training_text() == "1girl, ^_^"


@pytest.mark.parametrize(
    ("row", "message", "hint"),
    [
        ('{"digset": "0"}', "`a.png` has an unknown field `digset`", "did you mean `digest`?"),
        ('{"text": "tag"}', "`a.png` has text `tag`", "known: tags, caption, both"),
        ('{"split": "test"}', "`a.png` has split `test`", "known: train, validation"),
        ('{"tags": "a, b"}', "`tags` of `a.png` is not a list", 'write ["one", "two"]'),
        ('{"tags": [1]}', "`tags` of `a.png` is not a list", 'write ["one", "two"]'),
        ('{"weight": -1}', "`weight` of `a.png` is `-1`", "write a number, 0 or more"),
        ('{"weight": true}', "`weight` of `a.png` is `true`", "write a number, 0 or more"),
        (
            '{"latents": "../x"}',
            "the path `../x` leads out of the dataset",
            "paths of samples stay inside the folder they are relative to",
        ),
    ],
)
def test_a_wrong_value_is_told_with_its_key(row: str, message: str, hint: str) -> None:
    """Rows 47 and 92: the file, the picture and the field, and what may stand there."""
    with pytest.raises(DatasetError) as caught:
        parse(HEAD % row, "meta.json")

    assert (str(caught.value), caught.value.hint) == (f"`meta.json`: {message}", hint)


@pytest.mark.parametrize("text", ["", "[]", "3", '{"a": 1}', '{"format": "other"}'])
@pytest.mark.parametrize("name", ["meta.json", "meta.jsonl"])
def test_another_file_is_told_as_such(text: str, name: str) -> None:
    """What is no dataset of ours is not called a broken one."""
    with pytest.raises(DatasetError) as caught:
        parse(text, name)

    assert str(caught.value) == f"`{name}` is not a dataset of prep"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
TOP = st.fixed_dictionaries(
    {"format": st.just("prep-dataset"), "version": st.just(1)},
    optional=dict.fromkeys(
        ("samples", "concepts", "root", "state", "vae", "left_out", "counts"), JSON
    ),
)
ROW = st.fixed_dictionaries(
    {"digest": st.just("0"), "original_size": st.just([1, 1])},
    optional=dict.fromkeys(("tags", "caption", "text", "weight", "crop", "latents"), JSON),
)


@given(TOP | ROW.map(lambda row: json.loads(HEAD % json.dumps(row))))
def test_values_of_any_kind_are_read_or_refused(top: dict[str, Any]) -> None:
    """Row 47: no value anywhere in the file ends in a traceback."""
    with suppress(DatasetError):
        parse(json.dumps(top), "meta.json")


def test_any_cut_of_a_file_is_a_clean_answer() -> None:
    """Row 41: a file that ends anywhere too early is two lines, never a wrong dataset."""
    data = dump(ALL).decode()
    for end in range(len(data.rstrip())):
        with pytest.raises(DatasetError):
            parse(data[:end], "meta.json")


def test_a_dataset_file_may_have_a_byte_order_mark(tmp_path: Path) -> None:
    """Notepad's UTF-8 is read; other encodings are no dataset."""
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + dump(ALL))
    (tmp_path / "b.json").write_bytes(dump(ALL).decode().encode("utf-16"))

    assert load(tmp_path / "a.json") == ALL
    with pytest.raises(DatasetError):
        load(tmp_path / "b.json")
