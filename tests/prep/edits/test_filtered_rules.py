"""Rules with filters in a run: what they change, and what a change of theirs costs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.dataset import dataset_file

PIPELINE = """\
pipelines:
  words:
    images: ./images
    stages:
      - tag: {model: tiny, threshold: 0.5}
      - edit: {rules: ./tags.rules, tagger: tiny}
"""
RULES = """\
- where: width<70 or path:*/deep.png
  add: small
- where: caption:rain
  caption: it rains
- where: score:SURE>=0.01
  add: sure
"""


@pytest.fixture
def project(home: Path, draw: Callable[..., Path]) -> Path:
    """Three pictures, of which one has a caption, and rules that ask for everything."""
    draw("images/a.png", (64, 64))
    draw("images/b.png", (96, 64))
    draw("images/in/deep.png", (96, 64))
    Path("images/b.caption").write_text("a man in the rain")
    Path("pipelines.yaml").write_text(PIPELINE)
    return home


def words() -> dict[str, tuple[set[str], str]]:
    """Return what the rules made of each sample: those of their own tags, and the caption."""
    samples = dataset_file.load(Path("meta.json")).samples
    own = {"small", "sure"}
    return {key: (own & set(sample.tags), sample.caption) for key, sample in samples.items()}


def test_rules_are_for_the_pictures_that_they_name(project: Path, prep: Callable[..., Any]) -> None:
    """By size, path, caption and score: each rule changes its pictures, and no other."""
    Path("tags.rules").write_text("- {where: tokens>0 tokens<1000, add: small}")
    assert prep("run").code == 0
    label = Path("images/a.txt").read_text().strip().split(", ")[0]
    Path("tags.rules").write_text(RULES.replace("SURE", f'"{label}"'))

    assert prep("run").code == 0

    found = words()
    assert found["a.png"] == ({"small", "sure"}, "")
    assert found["b.png"][1] == "it rains"
    assert "small" not in found["b.png"][0]
    assert "small" in found["in/deep.png"][0]
    assert "nothing to do" in prep("run").out
    Path("pipelines.yaml").unlink()
    assert "  edit: up to date" in prep("why", "a.png", "--in", "images").out


def test_a_change_costs_what_a_filter_asks_for(project: Path, prep: Callable[..., Any]) -> None:
    """A caption is read by rules that ask for captions: else its change computes nothing."""
    Path("tags.rules").write_text("- {where: width<70, add: small}\n")
    prep("run")
    Path("images/b.caption").write_text("snow")

    unasked = prep("run").out
    Path("tags.rules").write_text("- {where: caption:snow, add: small}\n")
    asked = prep("run").out
    Path("images/b.caption").write_text("rain")
    again = prep("run").out

    assert unasked.startswith("`images`: wrote 2 files\n")
    assert asked.startswith("`images`: edit: 3 put through the rules\n")
    assert again.startswith("`images`: edit: 1 put through the rules\n")
    assert words()["b.png"] == (set(), "rain")
