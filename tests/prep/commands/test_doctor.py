"""Tests of `prep doctor`: what its page says, what it hides, what `--fix` mends."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.doctor.diagnosis import masked, size
from tests.prep.conftest import Draw, Said
from tests.prep.projects import Project

Prep = Callable[..., Said]
SUBJECTS = ["program", "Python", "machine", "packages", "torch", "onnxruntime", "NVIDIA", "models",
            "pins"]  # fmt: skip


def times_of(folder: Path) -> dict[Path, int]:
    """Return when each file was last written, those of prep's own memory left out."""
    return {
        path: path.stat().st_mtime_ns for path in folder.rglob("*") if ".prep" not in path.parts
    }


def doctor(project: Project, *words: str) -> tuple[int, list[str]]:
    """Return how the command ended, and the lines about the folder."""
    command = [sys.executable, "-P", "-m", "prep", "doctor", *words]
    ended = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    lines = ended.stdout.splitlines()
    assert ended.stderr == ""
    return ended.returncode, lines[[line.startswith("folder:") for line in lines].index(True) :]


def test_one_page_of_a_healthy_project(small: Project) -> None:
    """Program to folders, a line each; nothing is wrong, nothing changes, exit code 0."""
    before = times_of(small.folder)
    command = [sys.executable, "-P", "-m", "prep", "doctor"]
    ended = subprocess.run(command, cwd=small.folder, capture_output=True, text=True, check=False)

    lines = ended.stdout.splitlines()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [line.partition(":")[0] for line in lines[:-1]] == [
        *SUBJECTS, "base", "captioner", "tagger", "folder", "prep's folder",
    ]  # fmt: skip
    assert lines[-1] == "nothing is wrong"
    assert lines[-3].startswith("folder:        ./images: 5 pictures, 10 texts, ")
    assert lines[-2].startswith("prep's folder: ./images/.prep: ")
    assert lines[-2].endswith(", can be written, ledger sound")
    assert str(small.folder) not in ended.stdout
    assert times_of(small.folder) == before


def test_a_damaged_ledger_is_made_again(small: Project) -> None:
    """It is named with exit code 1; `--fix` sets it aside, and what a person wrote holds on."""
    (small.images / "snow 1.txt").write_text("mine")
    small.run()
    with sqlite3.connect(small.images / ".prep" / "ledger.sqlite") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    data = bytearray((small.images / ".prep" / "ledger.sqlite").read_bytes())
    data[4096:12288] = b"\xff" * 8192
    (small.images / ".prep" / "ledger.sqlite").write_bytes(data)

    sick, found = doctor(small)
    mending, mended = doctor(small, "--fix")
    well, _ = doctor(small)
    small.run()

    assert (sick, mending, well, small.code) == (1, 0, 0, 0)
    assert "the ledger is damaged (" in found[1]
    hint = "run any command on the folder, or `prep doctor --fix`: the ledger is made again"
    assert found[2:] == [f"{'':<15}hint: {hint}", "to mend: 1"]
    fixed = "it was set aside as ledger.damaged, and made again from journal.jsonl"
    assert mended[2:] == [f"{'':<15}fixed: {fixed}", "nothing is wrong"]
    assert (small.images / "snow 1.txt").read_text() == "mine"
    assert (small.images / ".prep" / "ledger.damaged").read_bytes() == bytes(data)


def test_mistakes_of_pipelines_are_findings(prep: Prep, home: Path) -> None:
    """A file of pipelines that cannot be read ends nothing: each mistake is a finding."""
    (home / "pipelines.yaml").write_text("pipelines:\n  a: {images: ./x, stagse: []}\n")

    ended = prep("doctor")

    assert ended.code == 1
    assert "pipelines:     `pipelines.yaml` line 2: " in ended.out
    assert "               hint: did you mean `stages`?\n" in ended.out


def test_a_folder_that_is_named(prep: Prep, draw: Draw, home: Path) -> None:
    """`--in` looks at one folder; one that is not there is a finding, with what to do."""
    draw("a/1.png")

    there, gone = prep("doctor", "--in", "a"), prep("doctor", "--in", "b")

    assert there.code == 0
    assert "folder:        a: 1 picture, 0 texts, " in there.out
    assert "prep's folder: a/.prep: not there yet\n" in there.out
    assert gone.code == 1
    assert "folder:        `b` cannot be read: No such file or directory\n" in gone.out


def test_prep_s_folder_alone_is_refused(prep: Prep) -> None:
    """`--state` without the dataset that it belongs to says nothing: it is asked for."""
    said = prep("doctor", "--state", "kept")

    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines() == [
        "error: `--state kept` is prep's folder of a dataset, and none is named",
        "hint: name it: `--in DIR`",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/jo/x/raw: 3", "~/x/raw: 3"),
        ("in /home/jo", "in ~"),
        ("/home/joan/raw", "/.../raw"),
        ("/here/pics/raw and `/here`", "./pics/raw and `.`"),
        ("/mnt/secret/club/pics", "/.../pics"),
        ("https://huggingface.co/a/b", "https://huggingface.co/a/b"),
        ("jo and joan", "USER and joan"),
    ],
)
def test_private_paths_are_masked(text: str, shown: str) -> None:
    """Of a path elsewhere only its last part is told, and a person's name never."""
    assert masked(text, Path("/home/jo"), Path("/here"), "jo") == shown


@given(
    parts=st.lists(st.from_regex(r"[a-z0-9_.-]{4,12}", fullmatch=True), min_size=2, max_size=6),
    top=st.sampled_from(["/mnt", "/media", "/home/other", "/srv/data"]),
)
@settings(derandomize=True, max_examples=200, deadline=None)
def test_no_folder_of_a_foreign_path_is_told(parts: list[str], top: str) -> None:
    """Whatever a path is, none of its folders is in what is shown."""
    shown = masked(f"`{top}/{'/'.join(parts)}`: 3", Path("/home/jo"), Path("/here"), "jo")

    assert shown == f"`/.../{parts[-1]}`: 3"


def test_sizes_are_said_in_short() -> None:
    """Bytes are whole; larger units have one decimal."""
    assert [size(n) for n in (0, 999, 1000, 25_300_000_000, 2e15)] == [
        "0 B", "999 B", "1.0 KB", "25.3 GB", "2000.0 TB",
    ]  # fmt: skip
