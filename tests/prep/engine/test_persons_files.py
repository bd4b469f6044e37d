"""What a person names as a file is one: a folder, pipe, socket or device ends in two lines."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.runtime import files
from prep.runtime.errors import ConfigError, DatasetError
from tests.prep.engine.test_folders import mortal, run_under

__all__ = ["mortal"]

Prep = Callable[..., Any]
Draw = Callable[..., Path]
PIPELINE = "pipelines: {a: {images: ./raw, stages: [tag: {model: tiny}, edit: {rules: odd}]}}\n"
READERS = {
    "sheet": ("review", "import", "odd", "--in", "raw"),
    "sheet in its place": ("tag", "raw", "--model", "tiny"),
    "pipelines": ("plan", "--pipelines", "odd"),
    "rules": ("edit", "raw", "--rules", "odd"),
    "rules in pipelines": ("run", "--pipelines", "with_rules.yaml"),
    "aliases": ("edit", "raw", "--aliases", "odd"),
    "implications": ("edit", "raw", "--implications", "odd"),
    "vocabulary": ("tags", "raw", "--lint", "--vocabulary", "odd.csv"),
    "dataset": ("bucket", "odd.json"),
    "dataset to look at": ("tags", "odd.json"),
    "dataset to edit": ("edit", "odd.json", "--add", "x"),
    "dataset to write": ("edit", "raw", "--out", "odd.json"),
    "tagger": ("tag", "raw", "--model", "model"),
}
PLACES = {
    "sheet in its place": "raw/tags.csv", "vocabulary": "odd.csv", "dataset": "odd.json",
    "dataset to look at": "odd.json", "dataset to edit": "odd.json",
    "dataset to write": "odd.json", "tagger": "model/tagger.yaml",
}  # fmt: skip

# Where a folder may be named as well, it is taken for one of pictures.
FOLDERS = {
    "dataset": "`odd.json` is not a dataset of prep",
    "sheet": "there is no `raw/tags.csv`",
    "dataset to look at": "there are no pictures in `odd.json`",
    "dataset to edit": "there are no pictures in `odd.json`",
}


def odd(kind: str, path: Path) -> None:
    """Put something that is no file where a file is looked for."""
    path.parent.mkdir(exist_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.path.relpath(path))


@pytest.mark.parametrize("kind", ["pipe", "folder", "socket", "device"])
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_two_lines_at_once(
    draw: Draw, home: Path, prep: Prep, reader: str, kind: str
) -> None:
    """Case C5: every reader of a person's file says what it is, and never waits for it."""
    draw("raw/a.png")
    (home / "with_rules.yaml").write_text(PIPELINE)
    place = PLACES.get(reader, "odd")
    odd(kind, home / place)
    told = prep(*READERS[reader])

    what = "a folder" if kind == "folder" else "a pipe, socket or device"
    line = f"`{place}` is {what}"
    if reader == "rules in pipelines":
        line = f"`with_rules.yaml` line 1: {line}"
    if kind == "folder":
        line = FOLDERS.get(reader, line)
    assert (told.code, told.err.splitlines()[0]) == (1, f"error: {line}")
    assert told.err.splitlines()[1].startswith("hint: ")
    assert len(told.err.splitlines()) == 2


def test_prompts_and_a_dataset_of_train(draw: Draw, home: Path) -> None:
    """Case C5: `train` reads its files the same way."""
    from train.samples.prompt_files import read
    from train.samples.prompts import Prompt

    os.mkfifo("odd.txt")
    with pytest.raises(ConfigError) as caught:
        read(Path("odd.txt"), Prompt(""))

    assert str(caught.value) == "the file of prompts `odd.txt` is not a file"


def test_a_file_of_any_size_is_not_read_whole(tmp_path: Path) -> None:
    """Case C5: a limit is stated, and holds before anything is read."""
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(files.MOST_TEXT + 1)
    with pytest.raises(DatasetError) as caught:
        files.content(large)

    assert (str(caught.value), caught.value.hint) == (
        f"`{large}` has 67,108,865 bytes, at most 67,108,864 are read",
        "is it the file you meant?",
    )
    assert len(files.content(large, files.MOST_TABLE)) == files.MOST_TEXT + 1


def test_a_file_without_rights_is_not_said_to_be_missing(
    draw: Draw, home: Path, mortal: list[str]
) -> None:
    """Case C5: rules and pipelines that cannot be read are told as such."""
    draw("raw/a.png")
    (home / "tags.rules").write_text("")
    (home / "tags.rules").chmod(0)
    rules = run_under(mortal, home, "edit", "raw", "--rules", "tags.rules")
    (home / "pipelines.yaml").write_text("")
    (home / "pipelines.yaml").chmod(0)
    plan = run_under(mortal, home, "plan")

    for told, name in ((rules, "tags.rules"), (plan, "pipelines.yaml")):
        assert told.returncode == 1
        assert told.stderr == (
            f"error: `{name}` cannot be read: Permission denied\n"
            "hint: make it readable, then run the same command again\n"
        )
