"""Names that moved between two runs, with the texts beside them: whose words are they then?"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PIPELINE = """\
pipelines:
  words:
    images: ./images
    stages:
      - tag: {model: tiny, threshold: 0.01, character_threshold: 0.01}
      - edit
"""


@pytest.fixture
def project(home: Path, draw: Callable[..., Path], prep: Callable[..., Any]) -> Path:
    """Three tagged pictures with three different texts."""
    for name in ("a", "b", "x", "y", "z", "u"):
        draw(f"images/{name}.png")
    (home / "pipelines.yaml").write_text(PIPELINE)
    assert prep("run").code == 0
    assert text("a") != text("b")
    return home


def text(name: str) -> str:
    """Return what stands in the text file of a picture."""
    return Path(f"images/{name}.txt").read_text()


def moved(*pairs: tuple[str, str]) -> None:
    """Rename pictures together with their texts, one after the other."""
    for old, new in pairs:
        for suffix in (".png", ".txt"):
            Path(f"images/{old}{suffix}").rename(f"images/{new}{suffix}")


def fresh(prep: Callable[..., Any]) -> dict[str, str]:
    """Return the texts that a first run writes for the same pictures."""
    shutil.copytree("images", "fresh", ignore=shutil.ignore_patterns("*.txt", "*.csv", ".prep"))
    told = prep("tag", "fresh", "--model", "tiny", "--threshold", "0.5")
    assert told.code == 0
    return {path.name: path.read_text() for path in Path("fresh").glob("*.txt")}


def rerun(prep: Callable[..., Any]) -> dict[str, str]:
    """Return the texts after a run, and then one with another threshold: the machine's change."""
    told = prep("run")
    assert told.code == 0
    assert "kept as you edited it" not in told.out
    told = prep("tag", "images", "--threshold", "0.5", "--character-threshold", "0")
    assert told.code == 0
    return {path.name: path.read_text() for path in Path("images").glob("*.txt")}


def test_names_shifted_along_keep_the_machines_words_the_machines(
    project: Path, prep: Callable[..., Any]
) -> None:
    """Where a becomes b while b becomes c, every text is the machine's and is done anew."""
    moved(("b", "c"), ("a", "b"))

    assert rerun(prep) == fresh(prep)
    assert "edited by you" not in prep("status").out


def test_two_names_swapped_keep_the_machines_words_the_machines(
    project: Path, prep: Callable[..., Any]
) -> None:
    """Two pictures change names with their texts: the texts are the machine's."""
    moved(("a", "swap"), ("b", "a"), ("swap", "b"))

    assert rerun(prep) == fresh(prep)
    assert "edited by you" not in prep("status").out


def test_a_picture_renamed_and_redrawn_has_no_words_of_a_person(
    project: Path, draw: Callable[..., Path], prep: Callable[..., Any]
) -> None:
    """Another name and other pixels: the text that went along is the machine's, and done anew."""
    moved(("a", "c"))
    draw("images/c.png", seed=99)

    assert rerun(prep) == fresh(prep)
    assert "edited by you" not in prep("status").out


def test_a_persons_words_go_along_with_shifted_names(
    project: Path, prep: Callable[..., Any]
) -> None:
    """Among names that were shifted along, the text that a person wrote stays the person's."""
    Path("images/b.txt").write_text("mine")
    prep("run")
    machines = text("a")
    moved(("b", "c"), ("a", "b"))

    for _ in range(2):
        assert prep("run").code == 0

    assert text("c") == "mine"
    assert "tags: yours, from c.txt: mine" in prep("why", "c.png").out
    assert text("b") == machines
    assert "yours" not in prep("why", "b.png").out


def test_a_text_that_was_copied_is_the_persons(project: Path, prep: Callable[..., Any]) -> None:
    """Who copies the text of one picture to another means it; so does who moves it alone."""
    shutil.copy("images/a.txt", "images/b.txt")
    Path("images/x.txt").replace("images/y.txt")
    wanted = text("b"), text("y")

    prep("run")
    prep("tag", "images", "--threshold", "0.5")

    assert (text("b"), text("y")) == wanted
    assert "tags: yours, from b.txt" in prep("why", "b.png").out


def test_a_copied_text_of_a_new_picture_is_the_persons(
    project: Path, draw: Callable[..., Path], prep: Callable[..., Any]
) -> None:
    """A new picture that was given a copy of another one's text keeps it."""
    draw("images/new.png")
    shutil.copy("images/a.txt", "images/new.txt")
    wanted = text("new")

    prep("run")
    prep("tag", "images", "--threshold", "0.5")

    assert text("new") == wanted
