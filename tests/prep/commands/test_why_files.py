"""`prep why FILE`: of a file that is no picture it says what it is and what is done with it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Prep = Callable[..., Any]
Draw = Callable[..., Path]

LEFT = "not a picture that can be read: counted with the other files and left alone"
YOURS = "yours, used as its {0}; `prep why` of the picture shows what trains"
MADE = "prep writes it, and you may edit it: then it is used as its tags"
DATASET = "a dataset file that prep wrote of this folder: the next run reads your edits in it"
STRAY = "a text that belongs to no picture and is not used"
SAID = {
    "b.zip": [f"a .zip file, {LEFT}"],
    "raw/b.zip": [f"a .zip file, {LEFT}"],
    "sub/README": [f"a file without suffix, {LEFT}"],
    "b.heic": [f"a .heic file, {LEFT}", "it holds HEIC: `pip install pillow-heif` reads it"],
    "b.jxl": [f"a .jxl file, {LEFT}", "it holds JPEG XL: `pip install pillow-jxl-plugin` reads it"],
    "stray.txt": [STRAY],
    "a.png.txt": [f"{STRAY}: `a.txt` is there already: keep one of the two"],
    "a.txt": [f"a text of `a.png`: {YOURS.format('tags')}"],
    "a.caption": [f"a text of `a.png`: {YOURS.format('caption')}"],
    "c.txt": [f"a text of `c.png`: {MADE}"],
    "tags.csv": ["a sheet: `prep review import raw/tags.csv` reads your edits in it"],
    "tags.rules": ["a file of rules: read where `edit` in pipelines.yaml names it"],
    "../meta.json": [DATASET],
    "meta.json": [DATASET],
    "Thumbs.db": ["skipped because of its name: other programs leave such files behind"],
    ".prep/ledger.sqlite": ["prep's own memory of the folder; do not edit it"],
    "sub": ["a folder: name a file in it"],
    "away": ["a linked folder: links are not followed; copy it into the folder"],
    "pipe": ["a pipe, socket or device: it is passed over"],
    "run/x.png": ["it lies in the folder of a training run, which is passed over"],
}


@pytest.fixture
def raw(prep: Prep, draw: Draw, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file of every kind, tagged."""
    for module in ("pillow_heif", "pillow_jxl"):
        monkeypatch.setitem(sys.modules, module, None)
    folder = home / "raw"
    for name in ("a.png", "c.png"):
        draw(f"raw/{name}")
    for name in ("sub", "run"):
        (folder / name).mkdir()
    for name in ("b.zip", "sub/README", "b.heic", "b.jxl", "Thumbs.db", "tags.rules"):
        (folder / name).write_bytes(b"x")
    for name in ("run/config.json", "run/metrics.jsonl", "run/x.png"):
        (folder / name).write_bytes(b"x")
    for name in ("stray.txt", "a.txt", "a.caption", "a.png.txt"):
        (folder / name).write_text("mine")
    (folder / "away").symlink_to(home)
    os.mkfifo(folder / "pipe")
    prep("tag", "raw", "--model", "tiny")
    prep("edit", "raw")
    return folder


def test_every_file_is_explained(prep: Prep, raw: Path) -> None:
    """Case B1: an other file, text, sheet or file of ours is answered in the account's words."""
    for name, lines in SAID.items():
        told = prep("why", name, "--in", "raw")
        assert told == (0, "\n".join([name, *(f"  {line}" for line in lines), ""]), ""), name


def test_every_name_that_is_told_is_answered(prep: Prep, raw: Path) -> None:
    """Case B1: what `prep status` names can be asked for; what is not there cannot."""
    listed = [line.strip() for line in prep("status", "--in", "raw").out.splitlines()]
    names = [line for line in listed if (raw / line).exists() or (raw / line).is_symlink()]
    gone = prep("why", "b.rar", "--in", "raw")

    assert {"b.zip", "away", "pipe"} <= set(names)
    assert [prep("why", name, "--in", "raw").code for name in names] == [0] * len(names)
    assert gone.code == 1
    assert gone.err.startswith("error: `raw` has no picture `b.rar`\n")


def test_a_text_of_a_source_folder(prep: Prep, draw: Draw, home: Path) -> None:
    """Case B1: a text beside a picture that is cropped says that what is cut out inherits it."""
    draw("raw/a.png")
    (home / "raw" / "a.txt").write_text("mine")
    (home / "raw" / "b.txt").write_text("mine")
    (home / "pipelines.yaml").write_text(
        "pipelines: {a: {images: ./raw, stages: [{crop: {to: ./cut, min_side: 8}}, edit]}}\n"
    )
    prep("run")

    told = "a text of `a.png`: pictures that are made of this one inherit it"
    assert prep("why", "a.txt") == (0, f"a.txt\n  {told}\n", "")
    assert prep("why", "b.txt") == (0, f"b.txt\n  {STRAY}\n", "")
