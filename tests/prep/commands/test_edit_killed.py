"""An edit that is killed at any moment ends, typed again, as one that nobody stopped."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.prep.killing import CHANGING, environment, tree
from tests.rows import few_of

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
EDIT = ("edit", "images", "--replace", "(.)a", r"\1aa", "--caption", "the same")
UNDO = ("undo", "--in", "images")
SURE = re.compile(r"rename|unlink.*\.caption\"")
EVERY = 30

Call = tuple[str, int]


def prep(
    folder: Path, words: tuple[str, ...], before: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[str]":
    """Type a command in a folder, perhaps under strace; return how it ended."""
    command = [*before, sys.executable, "-P", "-m", "prep", *words]
    home = {"XDG_DATA_HOME": str(folder.parent / "home")}
    return subprocess.run(
        command, cwd=folder, env=environment() | home, capture_output=True, text=True, check=False
    )


def calls(folder: Path, words: tuple[str, ...]) -> list[Call]:
    """Carry a command out; return the calls that change a file of the folder: name and count."""
    log, names = folder.parent / "log", ",".join(CHANGING)
    strace = ("strace", "-y", "-s", "4096", "-o", str(log), "-e", f"trace={names}")
    assert prep(folder, words, strace).returncode == 0
    met = dict.fromkeys(CHANGING, 0)
    found: list[tuple[str, int, bool]] = []
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"(\w+)\(", line)
        if match is None or match[1] not in met:
            continue
        met[match[1]] += 1
        reads = match[1] == "openat" and not re.search(r"O_WRONLY|O_RDWR", line)
        if not reads and (str(folder) in line or "images/" in line):
            found.append((match[1], met[match[1]], SURE.match(line) is not None))
    return [call[:2] for n, call in enumerate(found) if call[2] or n % EVERY == 0]


def words_of(folder: Path) -> dict[str, bytes]:
    """Return all files of a project, but for prep's own memory."""
    return {name: data for name, data in tree(folder).items() if "/.prep/" not in name}


@pytest.fixture
def base(tmp_path: Path, draw: Callable[..., Path]) -> Path:
    """A project of two pictures, one with a person's odd text, whose tags doubling would show."""
    folder = draw("images/a.png").parents[1]
    draw("images/b.png")
    (folder / "images/a.txt").write_bytes(b"\xef\xbb\xbfhat,\r\nbanana")
    return folder


@needs_strace
@pytest.mark.parametrize("undone", few_of([False, True]), ids=["edit", "undo"])
def test_an_edit_killed_at_any_call_ends_as_one_that_was_not(
    base: Path, tmp_path: Path, undone: bool
) -> None:
    """Row 72: killed before a system call and typed again, the words change once, not twice."""
    words = EDIT
    if undone:
        assert prep(base, EDIT).returncode == 0
        words = UNDO
    clean = Path(shutil.copytree(base, tmp_path / "clean"))
    points = calls(clean, words)
    wanted = words_of(clean)
    assert len(points) > 5
    assert wanted != words_of(base)

    for number, (name, nth) in enumerate(points):
        folder = Path(shutil.copytree(base, tmp_path / f"killed {number}"))
        inject = f"inject={name}:signal=KILL:when={nth}"
        kill = ("strace", "-o", os.devnull, "-e", f"trace={name}", "-e", inject)
        told = prep(folder, words, kill)
        assert told.returncode != 0, (name, nth)
        if not told.stdout:  # who has seen that it was done does not type it again
            assert prep(folder, words).returncode == 0, (name, nth)
        assert words_of(folder) == wanted, (name, nth)
        left = [path.name for path in folder.rglob(".tmp-*")]
        assert left == [], (name, nth)


@needs_strace
def test_a_killed_edit_is_finished_by_the_next_run(base: Path, tmp_path: Path) -> None:
    """Not only the same command: whatever runs next on the folder finishes what was begun."""
    clean = Path(shutil.copytree(base, tmp_path / "clean"))
    assert prep(clean, EDIT).returncode == 0
    kill = (
        "strace",
        "-o",
        os.devnull,
        "-e",
        "trace=rename",
        "-e",
        "inject=rename:signal=KILL:when=1",
    )
    assert prep(base, EDIT, kill).returncode != 0
    assert words_of(base) != words_of(clean)

    assert prep(base, ("edit", "images", "--text", "both")).returncode == 0
    assert prep(clean, ("edit", "images", "--text", "both")).returncode == 0

    assert words_of(base) == words_of(clean)
    assert prep(base, UNDO).returncode == 0
    assert (base / "images/a.txt").read_bytes() == b"\xef\xbb\xbfhat,\r\nbanana"


def killed(folder: Path, words: tuple[str, ...]) -> None:
    """Type a command that is killed before the first text is put in place."""
    inject = ("-e", "trace=rename", "-e", "inject=rename:signal=KILL:when=1")
    assert prep(folder, words, ("strace", "-o", os.devnull, *inject)).returncode != 0


@needs_strace
def test_an_edit_that_was_killed_and_is_finished_later_is_told(base: Path) -> None:
    """Another edit, or the same again, says what it finished, and which texts changed since."""
    killed(base, EDIT)
    (base / "images/a.txt").write_text("mine")

    told = prep(base, EDIT)

    said = "prep edit images --replace '(.)a' '\\1aa' --caption 'the same'"
    assert (told.returncode, told.stderr) == (4, "")
    assert told.stdout == (
        f"finished `{said}`, which was stopped before\n  kept `a.txt`: it was changed since\n"
    )
    assert (base / "images/a.txt").read_text() == "mine"


@needs_strace
def test_an_edit_that_follows_a_killed_one_builds_on_it(base: Path) -> None:
    """Another edit of the same texts first finishes the killed one, says so, and goes on there."""
    killed(base, ("edit", "images", "--add", "hat"))

    other = prep(base, ("edit", "images", "--add", "scarf"))

    assert other.returncode == 0
    assert other.stdout.startswith("finished `prep edit images --add hat`, which was stopped")
    assert (base / "images/b.txt").read_text() == "hat, scarf\n"
    assert [prep(base, UNDO).returncode for _ in range(2)] == [0, 0]
    assert not (base / "images/b.txt").exists()
    assert (base / "images/a.txt").read_bytes() == b"\xef\xbb\xbfhat,\r\nbanana"


@needs_strace
def test_an_edit_typed_after_a_killed_undo_of_it_is_done(base: Path) -> None:
    """The same command after an undo that was killed: it was taken back, and is done again."""
    assert prep(base, EDIT).returncode == 0
    wanted = words_of(base)
    killed(base, UNDO)

    told = prep(base, EDIT)

    assert told.returncode == 0
    assert told.stdout.startswith("took back `prep edit images ")
    assert "`images`: 2 pictures, 2 changed\n" in told.stdout
    assert words_of(base) == wanted


@needs_strace
def test_a_run_that_finishes_a_killed_edit_writes_the_dataset_file(base: Path) -> None:
    """Words that prep itself puts into a dataset file are no edit by a person: one run will do."""
    (base / "images/b.txt").write_text("hat")
    rules = ("edit", "images", "--text", "both")
    assert prep(base, rules).returncode == 0
    killed(base, ("edit", "meta.json", "--add", "scarf"))
    assert "scarf" not in (base / "meta.json").read_text()

    told = prep(base, (*rules, "--trigger", "mascot"))

    assert "  wrote meta.json\n" in told.stdout
    assert "just now" not in told.stdout
    text = (base / "meta.json").read_text()
    assert text.count('"scarf"') == 2
    assert '"trigger": "mascot"' in text
    again = prep(base, (*rules, "--trigger", "mascot"))
    assert again.stdout.startswith("`images` is up to date: nothing to do\n")
