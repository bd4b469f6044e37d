"""Where prep writes: only where a person said, whatever a dataset file or a link says."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Prep = Callable[..., Any]
Draw = Callable[..., Path]
COMMANDS = [("bucket", "meta.json", "--resolution", "64"), ("edit", "meta.json", "--add", "x")]


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_state_folder_that_came_with_data(
    prep: Prep, draw: Draw, home: Path, command: tuple[str, ...]
) -> None:
    """Case D2: a dataset file cannot choose where prep writes; `--state` does."""
    draw("raw/a.png")
    (home / "raw/a.txt").write_text("one")
    assert prep("edit", "raw").code == 0
    (home / "elsewhere").mkdir()
    data = json.loads(Path("meta.json").read_text()) | {"state": "elsewhere"}
    Path("meta.json").write_text(json.dumps(data))
    told = prep(*command)

    assert (told.code, told.out) == (1, "")
    assert told.err == (
        "error: `meta.json` says that prep keeps its state in `elsewhere`, "
        "which has no record of this file\n"
        "hint: if that is right, say so: `--state elsewhere`\n"
    )
    assert tree(home / "elsewhere") == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_state_folder_that_a_person_named(
    prep: Prep, draw: Draw, home: Path, command: tuple[str, ...]
) -> None:
    """Case D2: what `--state` or pipelines.yaml said once holds for the files after it."""
    draw("raw/a.png")
    (home / "raw/a.txt").write_text("one")
    assert prep("edit", "raw", "--state", "elsewhere").code == 0
    assert prep(*command).code == 0
    assert not (home / "raw/.prep").exists()
    shutil.copytree(home, home.with_name("moved"))
    os.chdir(home.with_name("moved"))

    assert prep(*command).code == 0
    assert not Path("raw/.prep").exists()


def test_a_state_folder_that_is_a_link(prep: Prep, draw: Draw, home: Path) -> None:
    """Case D2: a `.prep` that leads elsewhere is used where a person names the place, only."""
    draw("raw/a.png")
    (home / "elsewhere").mkdir()
    (home / "raw/.prep").symlink_to("../elsewhere")
    refused = [prep("edit", "raw"), prep("status", "--in", "raw"), prep("crop", "raw", "cut")]

    for told in refused:
        assert told.code == 1
        assert told.err == (
            "error: `raw/.prep` is a link, and prep would write where it leads\n"
            "hint: remove it, or name the folder: `--state elsewhere`\n"
        )
    assert tree(home / "elsewhere") == []
    assert prep("edit", "raw", "--state", "elsewhere").code == 0


@pytest.mark.parametrize("name", ["clock", "journal.jsonl", "ledger.sqlite", "lock", "latents"])
def test_links_in_a_state_folder(prep: Prep, draw: Draw, home: Path, name: str) -> None:
    """Case D2: nothing is emptied, extended or locked through a link that came with pictures."""
    draw("raw/a.png")
    (home / "raw/.prep").mkdir()
    (home / "mine").write_text("my own")
    (home / f"raw/.prep/{name}").symlink_to(home / "mine")
    told = [prep("edit", "raw"), prep("why", "a.png", "--in", "raw")]

    lines = (
        f"error: `raw/.prep/{name}` is a link, and prep would write to it\n"
        "hint: remove it, then run the same command again\n"
    )
    assert [(one.code, one.err) for one in told] == [(1, lines)] * 2
    assert (home / "mine").read_text() == "my own"


def test_a_pipe_in_a_state_folder(prep: Prep, draw: Draw, home: Path) -> None:
    """Case D2: nor is a pipe waited for."""
    draw("raw/a.png")
    (home / "raw/.prep").mkdir()
    os.mkfifo("raw/.prep/clock")

    assert prep("status", "--in", "raw").err.splitlines()[0] == (
        "error: `raw/.prep/clock` is a pipe, socket or device, and prep would write to it"
    )


def test_pictures_are_not_written_through_a_link(prep: Prep, draw: Draw, home: Path) -> None:
    """Case D2: a linked folder in the folder of a fan-out's results, or of large ones, is told."""
    draw("raw/sub/a.png")
    (home / "cut").mkdir()
    (home / "elsewhere").mkdir()
    (home / "cut/sub").symlink_to(home / "elsewhere")
    told = prep("crop", "raw", "cut", "--min-side", 8)

    assert told.code == 1
    assert told.err == (
        "error: `cut/sub` is a link, and what is written there would leave the folder\n"
        "hint: make it a folder, or move it away\n"
    )
    assert tree(home / "elsewhere") == []


def test_large_results_are_not_written_through_a_link(prep: Prep, draw: Draw, home: Path) -> None:
    """Case D2: the same of a link deeper in prep's own folder."""
    draw("raw/a.png")
    assert prep("edit", "raw").code == 0
    (home / "elsewhere").mkdir()
    assert prep("bucket", "meta.json", "--resolution", 64, "--step", 32).code == 0
    (home / "raw/.prep/latents").mkdir()
    for number in range(256):
        (home / f"raw/.prep/latents/{number:02x}").symlink_to(home / "elsewhere")
    told = prep("latents", "meta_bucket.json", "--model", "tiny")

    assert told.code == 1
    assert " is a link, and what is written there would leave the folder" in told.err
    assert tree(home / "elsewhere") == []
