"""Read-only pictures: with prep's folder elsewhere, nothing is written beside them, ever."""

import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from prep import dataset

PIPELINE = """\
pipelines:
  any:
    images: ./images
    state: ./mine
    stages:
      - caption: {model: tiny}
      - tag: {model: tiny, threshold: 0.35}
      - duplicates
      - edit: {rules: ./tags.rules}
      - bucket: {resolution: 64, step: 32}
      - latents: {model: tiny}
"""
STATE = ("--state", "mine")
VIEWS = Path("mine/views")
Prep = Callable[..., Any]


def listing(folder: Path = Path("images")) -> dict[str, tuple[int, bytes]]:
    """Return all that is in a folder, with times."""
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in [folder, *sorted(folder.rglob("*"))]
    }


@pytest.fixture
def pictures(home: Path, draw: Callable[..., Path]) -> Iterator[Path]:
    """Pictures, one with a person's text, in a folder that is mounted read-only where it can be."""
    for name in ("a", "b", "sub/c"):
        draw(f"images/{name}.png")
    Path("images/b.txt").write_text("mine, own\n")
    Path("pipelines.yaml").write_text(PIPELINE)
    Path("tags.rules").write_text("- drop: nothing\n")
    images = home / "images"
    mounted = sys.platform == "linux" and os.geteuid() == 0 and not _mount("--bind", images, images)
    read_only = mounted and not _mount("-o", "remount,ro,bind", images)
    before = listing()
    yield images
    assert listing() == before
    if mounted:
        subprocess.run(["umount", images], check=True)
    assert read_only or not mounted


def _mount(*words: object) -> int:
    found = ["mount", *map(str, words)]
    return subprocess.run(found, capture_output=True, check=False).returncode


def tags_of(key: str) -> tuple[str, ...]:
    return dataset.load(Path("meta_lat.json")).samples[key].tags


def type_into(sheet: Path, key: str, **cells: str) -> None:
    """Type into some cells of a row."""
    rows = list(csv.DictReader(io.StringIO(sheet.read_text(encoding="utf-8-sig"))))
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | cells if row["key"] == key else row for row in rows)
    sheet.write_text(out.getvalue(), encoding="utf-8")


def test_a_pipeline_over_read_only_pictures(pictures: Path, prep: Prep) -> None:
    """Case E3: texts and sheets lie in prep's folder under the same names, a person's are read."""
    before = prep("plan")
    told, again = prep("run"), prep("run")

    assert "a.txt" not in before.err
    assert (told.code, "error:" in told.err) == (0, False)
    assert sorted(path.relative_to(VIEWS).as_posix() for path in VIEWS.rglob("*.*")) == [
        "a.caption", "a.txt", "b.caption", "sub/c.caption", "sub/c.txt", "tags.csv",
    ]  # fmt: skip
    assert tags_of("b.png") == ("mine", "own")
    assert again.out.startswith("`images` is up to date: nothing to do\n")
    assert "run " not in prep("plan").out.replace("prep run", "")
    assert "  edited by you: 1\n" in prep("status").out


def test_words_are_edited_in_prep_s_folder(pictures: Path, prep: Prep) -> None:
    """Case E3: a text edited, written or deleted there is the person's, or the machine's again."""
    prep("run")
    machine = (VIEWS / "a.txt").read_bytes()
    (VIEWS / "a.txt").write_text("typed here\n")
    (VIEWS / "b.txt").write_text("over mine\n")

    assert prep("run").code == 0
    assert (tags_of("a.png"), tags_of("b.png")) == (("typed here",), ("over mine",))
    assert "  tags: yours, from a.txt: typed here\n" in prep("why", "a.png").out

    (VIEWS / "a.txt").unlink()
    (VIEWS / "b.txt").unlink()
    assert prep("run").code == 0
    assert (VIEWS / "a.txt").read_bytes() == machine
    assert tags_of("b.png") == ("mine", "own")
    assert not (VIEWS / "b.txt").exists()


def test_reset_edit_and_undo(pictures: Path, prep: Prep) -> None:
    """Case E3: `reset`, `edit` and `undo` write in prep's folder alone."""
    prep("run")
    before = (VIEWS / "a.txt").read_bytes()

    edited = prep("edit", "images", *STATE, "--add", "hat")
    assert edited.code == 0
    assert (VIEWS / "b.txt").read_text() == "mine, own, hat\n"
    assert prep("run").code == 0
    assert tags_of("b.png") == ("mine", "own", "hat")

    assert prep("undo").code == 0
    assert prep("run").code == 0
    assert (tags_of("b.png"), (VIEWS / "a.txt").read_bytes()) == (("mine", "own"), before)

    assert prep("reset", "b.png").code == 0
    assert prep("run").code == 0
    machine = (VIEWS / "b.txt").read_text()
    assert "mine" not in machine
    assert prep("run").out.startswith("`images` is up to date: nothing to do\n")
    assert (VIEWS / "b.txt").read_text() == machine


def test_sheets_go_out_and_come_back(pictures: Path, prep: Prep) -> None:
    """Case E3: sheets are exported to prep's folder and imported from there."""
    prep("run")
    assert prep("review", "export", "images", *STATE).code == 0
    assert (VIEWS / "tags.xlsx").exists()
    type_into(VIEWS / "tags.csv", "a.png", tags="from, sheet")
    type_into(VIEWS / "tags.csv", "b.png", tags="from, sheet")

    told = prep("review", "import", "--in", "images", *STATE)

    assert (told.code, "error:" in told.err) == (0, False)
    assert (VIEWS / "a.txt").read_text() == (VIEWS / "b.txt").read_text() == "from, sheet\n"
    assert prep("run").code == 0
    assert tags_of("b.png") == ("from", "sheet")
    assert prep("run").out.startswith("`images` is up to date: nothing to do\n")


def test_each_stage_alone(pictures: Path, prep: Prep) -> None:
    """Case E3: every command works alone, with `--state` or the state that the dataset names."""
    Path("pipelines.yaml").unlink()
    for words in [
        ("caption", "images", *STATE, "--model", "tiny"),
        ("tag", "images", *STATE, "--model", "tiny"),
        ("duplicates", "images", *STATE), ("edit", "images", *STATE),
        ("bucket", "meta.json", "--resolution", 64, "--step", 32),
        ("latents", "meta_bucket.json", "--model", "tiny"), ("status", "--in", "images", *STATE),
        ("why", "a.png", "--in", "images", *STATE), ("tags", "images", *STATE),
    ]:  # fmt: skip
        told = prep(*words)
        assert (told.code, "error:" in told.err) == (0, False), words
    assert tags_of("b.png") == ("mine", "own")
    assert not (VIEWS / "b.txt").exists()


def test_a_text_that_comes_beside_later(home: Path, draw: Callable[..., Path], prep: Prep) -> None:
    """Case E3: a person's text that appears beside the picture counts, over the machine's."""
    draw("images/a.png")
    Path("pipelines.yaml").write_text(PIPELINE)
    Path("tags.rules").write_text("[]\n")
    prep("run")
    Path("images/a.txt").write_text("late\n")

    for _ in range(2):
        assert prep("run").code == 0
        assert tags_of("a.png") == ("late",)


def test_prep_s_folder_inside_the_pictures(
    home: Path, draw: Callable[..., Path], prep: Prep
) -> None:
    """Case E3: texts in a folder of prep that lies among the pictures are no strangers there."""
    draw("images/a.png")
    for _ in range(2):
        told = prep("tag", "images", "--state", "images/own", "--model", "tiny")

    assert (told.code, "error:" in told.err) == (0, False)
    assert told.out.startswith("`images` is up to date: nothing to do\n  1 picture")
    assert Path("images/own/views/a.txt").exists()
    assert not Path("images/a.txt").exists()
