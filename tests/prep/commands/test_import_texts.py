"""Words of kohya's metadata become texts beside the pictures."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.dataset.kohya_metadata import owners, texts
from prep.runtime.errors import DatasetError

Prep = Callable[..., Any]
Draw = Callable[..., Path]


@pytest.fixture
def three(draw: Draw, home: Path) -> Path:
    """Three pictures, two of one name in different folders, and metadata of them all."""
    for name in ("a.png", "in/b.png", "out/b.png"):
        draw(f"raw/{name}")
    rows = {
        "a": {"caption": "a girl", "tags": "hat, red", "train_resolution": [64, 64]},
        str(home / "raw" / "in" / "b.png"): {"tags": "tree"},
        "out\\b.png": {"caption": "one\ntwo"}, "gone": {"tags": "x"},
    }  # fmt: skip
    (home / "meta_lat.json").write_text(json.dumps(rows))
    return home


def sidecars(home: Path) -> dict[str, str]:
    """Return the texts beside the pictures."""
    top = home / "raw"
    return {str(path.relative_to(top)): path.read_text() for path in top.rglob("*.txt")}


def test_words_lie_beside_the_pictures(three: Path, prep: Prep) -> None:
    """By stem, by whole path and by a path of Windows; a row of no picture is named."""
    said = prep("import", "meta_lat.json", "--in", "raw")

    assert said.code == 0, said.err
    assert said.out.splitlines() == [
        "read `meta_lat.json`: words of 3 pictures taken", "  1 row of no picture here: `gone`",
    ]  # fmt: skip
    assert sidecars(three) == {
        "a.txt": "a girl, hat, red\n", "in/b.txt": "tree\n", "out/b.txt": "one\n",
    }  # fmt: skip
    again = prep("import", "meta_lat.json", "--in", "raw")
    assert (again.code, sidecars(three)["a.txt"]) == (0, "a girl, hat, red\n")
    assert prep("edit", "raw").code == 0
    assert '"tags": ["a girl", "hat", "red"]' in (three / "meta.json").read_text()


def test_latents_of_another_program_are_told_and_left(three: Path, prep: Prep) -> None:
    """Files of latents say nothing of picture and VAE: they stay, and a line says so."""
    (three / "raw" / "a_0064x0064_sd.npz").write_bytes(b"x")

    assert prep("import", "meta_lat.json", "--in", "raw").out.splitlines()[-1] == (
        "  1 file of latents (`.npz`) not taken: each holds one draw, and says neither of which "
        "picture nor of which VAE; `prep latents` makes them"
    )
    assert (three / "raw" / "a_0064x0064_sd.npz").read_bytes() == b"x"


def test_words_of_a_person_stay(three: Path, prep: Prep) -> None:
    """A picture with other words is named and left alone, until `--theirs` says who is right."""
    (three / "raw" / "a.txt").write_text("mine")
    said = prep("import", "meta_lat.json", "--in", "raw")

    assert said.code == 4
    assert (
        "  1 picture with other words of yours: `a.png`; add `--theirs` to take the file's\n"
    ) in said.out
    assert sidecars(three)["a.txt"] == "mine"
    assert prep("import", "meta_lat.json", "--in", "raw", "--theirs").code == 0
    assert sidecars(three)["a.txt"] == "a girl, hat, red\n"


def test_metadata_of_other_pictures_is_refused(three: Path, prep: Prep) -> None:
    """Nothing is taken where no row is of a picture here, or the file is something else."""
    (three / "x.json").write_text('{"y": {"tags": "z"}}')
    assert prep("import", "x.json", "--in", "raw").err.splitlines() == [
        "error: none of the 1 row of `x.json` is of a picture in `raw`",
        "hint: name the folder of its pictures with `--in DIR`",
    ]
    (three / "x.json").write_text("[1]")
    assert prep("import", "x.json", "--in", "raw").err.splitlines() == [
        "error: `x.json` is not metadata of kohya's sd-scripts",
        "hint: name the file that `merge_captions_to_metadata.py` or its like wrote",
    ]
    (three / "x.json").write_text('{"raw/a.png": {"captoin": "z", "train_resolution": [64, 64]}}')
    assert prep("import", "x.json", "--in", "raw").err.splitlines() == [
        "error: no row of `x.json` has a `caption` or `tags`",
        "hint: its rows have captoin, train_resolution; write words into these two",
    ]
    assert sidecars(three) == {}


def test_json_lines_are_read() -> None:
    """One object a line, with the path of its picture."""
    text = '{"image_path": "a.png", "caption": "x", "tags": "y, z"}\n\n{"image_path": "b"}\n'

    assert texts(text, "m.jsonl") == {"a.png": "x, y, z", "b": ""}
    for bad in ('{"caption": "x"}', "{", '{"a": 3}'):
        with pytest.raises(DatasetError):
            texts(bad, "m.jsonl")
    with pytest.raises(DatasetError, match="words of `a` are no text"):
        texts('{"a": {"tags": 3}}', "m.json")


def test_a_name_that_two_pictures_have_means_none() -> None:
    """A path means its picture; a name alone does where one picture has it."""
    keys = ["a.png", "in/b.png", "out/b.png", "out/c.d.png"]
    images = ["b", "in/b", "/r/out/b.png", "elsewhere/a.jpg.png", "x/c.d", "./a.png"]

    assert owners(images, keys, "/r") == {
        "in/b": "in/b.png", "/r/out/b.png": "out/b.png", "x/c.d": "out/c.d.png",
        "./a.png": "a.png",
    }  # fmt: skip
