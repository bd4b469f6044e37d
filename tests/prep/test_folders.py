"""Folders that vanish, move, cannot be written or are the wrong ones; the machine's limits."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import prep as package

Prep = Callable[..., Any]
Draw = Callable[..., Path]
ROOT = Path(package.__file__).parents[1]


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and ".prep" not in path.parts
    }


def drawn(draw: Draw, count: int = 5) -> None:
    for number in range(count):
        draw(f"raw/{number}.png")


def run_under(prefix: list[str], home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*prefix, sys.executable, "-m", "prep", *words],
        cwd=home,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def mortal() -> list[str]:
    """Return the words before a command that let file permissions hold for it."""
    if sys.platform == "win32":
        pytest.skip("POSIX permissions")
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:  # root may do anything, unless it gives that up
        pytest.skip("root, and no setpriv to stop being it")
    rights = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"]


def test_a_text_that_cannot_be_read_is_not_taken_for_deleted(
    draw: Draw, home: Path, mortal: list[str]
) -> None:
    """A text that another program holds is never replaced: its picture waits, the text stays."""
    drawn(draw)
    text = home / "raw/0.txt"
    text.write_text("my own words")
    tag = ("tag", "raw", "--model", "tiny")
    assert run_under(mortal, home, *tag).returncode == 0
    text.chmod(0)

    held = run_under(mortal, home, *tag)
    edit = run_under(mortal, home, "edit", "raw", "--add", "hat")

    text.chmod(0o644)
    why = "failed: 0.png: `0.txt` cannot be read, or changes while it is read"
    assert held.returncode == edit.returncode == 3
    assert why in held.stdout
    assert why in edit.stdout
    assert text.read_text() == "my own words"
    assert run_under(mortal, home, *tag).returncode == 0
    assert text.read_text() == "my own words"
    said = run_under(mortal, home, "why", "0.png", "--in", "raw").stdout
    assert "tags: yours, from 0.txt: my own words" in said


VIEWS = [("raw/tags.csv", ("tag", "raw", "--model", "tiny")), ("meta.json", ("edit", "raw"))]


@pytest.mark.parametrize(("name", "words"), VIEWS, ids=["sheet", "dataset file"])
def test_a_view_that_cannot_be_read_is_not_written_over(
    draw: Draw, home: Path, mortal: list[str], name: str, words: tuple[str, ...]
) -> None:
    """A sheet or dataset file that another program holds may be edited: the run stops, it stays."""
    drawn(draw)
    assert run_under(mortal, home, "tag", "raw", "--model", "tiny").returncode == 0
    assert run_under(mortal, home, "edit", "raw").returncode == 0
    edited = (home / name).read_bytes().replace(b"general", b"safe").replace(b"1.0", b"2.0")
    (home / name).write_bytes(edited)
    (home / name).chmod(0)
    draw("raw/new.png")

    told = run_under(mortal, home, *words)

    (home / name).chmod(0o644)
    assert told.returncode == 1
    assert told.stderr == (
        f"error: `{name}` cannot be read, or changes while it is read\n"
        "hint: close what holds it, or make it readable, then run the same command again\n"
    )
    assert (home / name).read_bytes() == edited


def test_a_read_only_folder_is_looked_at_as_it_is(
    draw: Draw, home: Path, mortal: list[str]
) -> None:
    """Where not even `.prep` can be written, what only looks tells the same as before."""
    drawn(draw)
    assert run_under(mortal, home, "tag", "raw", "--model", "tiny").returncode == 0
    looks = [("tags", "raw"), ("status", "--in", "raw"), ("edit", "raw", "--where", "tags>0")]
    before = [run_under(mortal, home, *look).stdout for look in looks]
    for left in (home / "raw/.prep").glob("ledger.sqlite-*"):  # as a run leaves it that was closed
        left.unlink()
    (home / "raw/.prep").chmod(0o555)

    found = [run_under(mortal, home, *look).stdout for look in looks]

    (home / "raw/.prep").chmod(0o755)
    assert found == before
    assert "0 tags" not in before[0]


def test_a_read_only_folder(draw: Draw, home: Path, mortal: list[str]) -> None:
    """Row 65: the message names --state; with it, nothing is written there, sheets neither."""
    drawn(draw)
    before = tree(home / "raw")
    (home / "raw").chmod(0o555)
    refused = run_under(mortal, home, "edit", "raw")
    there = run_under(mortal, home, "edit", "raw", "--state", "elsewhere")
    again = run_under(mortal, home, "edit", "raw", "--state", "elsewhere")
    sheet = run_under(mortal, home, "review", "export", "raw", "--state", "elsewhere")

    assert (refused.returncode, refused.stderr) == (
        1,
        (
            "error: `raw/.prep` cannot be written: Permission denied\n"
            "hint: make the folder writable, or name another with `--state DIR`\n"
        ),
    )
    assert (there.returncode, there.stderr, again.returncode) == (0, "", 0)
    assert again.stdout.startswith("`raw` is up to date: nothing to do\n")
    assert (sheet.returncode, sheet.stderr) == (0, "")
    assert (home / "elsewhere/views/tags.csv").exists()
    assert tree(home / "raw") == before
    assert json.loads(Path("meta.json").read_text(encoding="utf-8"))["state"] == "elsewhere"


def test_a_file_where_the_state_belongs(prep: Prep, draw: Draw, home: Path) -> None:
    """Row 65: a file named .prep is told as being in the way, and left alone."""
    drawn(draw, 1)
    (home / "raw" / ".prep").write_text("mine", encoding="utf-8")

    assert prep("edit", "raw") == (
        1,
        "",
        (
            "error: `raw/.prep` cannot be written: it is a file, not a folder\n"
            "hint: move `raw/.prep` away, or name another place\n"
        ),
    )
    assert (home / "raw" / ".prep").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("words", "path", "other"),
    [
        ("edit raw --out taken/x.json", "taken/x.json", "file: `--out FILE`"),
        ("edit raw --out taken/y/x.json", "taken/y/x.json", "file: `--out FILE`"),
        ("tag raw --model tiny --state taken", "taken", "place"),
        ("tag raw --model tiny --state taken/x", "taken/x", "place"),
        ("crop raw taken/x", "taken/x/.prep", "place"),
    ],
)
def test_a_file_where_a_folder_is_asked_for(
    prep: Prep, draw: Draw, words: str, path: str, other: str
) -> None:
    """Row 65: every option that names a place says which file stands in its way, at once."""
    drawn(draw, 1)
    Path("taken").write_text("mine", encoding="utf-8")
    it = "it" if path == "taken" else "`taken`"

    assert prep(*words.split()) == (
        1,
        "",
        (
            f"error: `{path}` cannot be written: {it} is a file, not a folder\n"
            f"hint: move `taken` away, or name another {other}\n"
        ),
    )
    assert Path("taken").read_text(encoding="utf-8") == "mine"


def test_a_deleted_output_is_written_again(prep: Prep, draw: Draw, home: Path) -> None:
    """Row 68: a sidecar, sheet or dataset file that was deleted comes back with the same bytes."""
    drawn(draw, 2)
    prep("tag", "raw", "--model", "tiny")
    prep("edit", "raw")
    before = {name: data for name, (_, data) in tree(home).items()}
    for name in ("raw/0.txt", "raw/tags.csv", "meta.json"):
        (home / name).unlink()
    tagged, edited = prep("tag", "raw", "--model", "tiny"), prep("edit", "raw")

    assert (tagged.code, edited.code) == (0, 0)
    assert {name: data for name, (_, data) in tree(home).items()} == before


def test_a_fifth_that_vanished_stops_the_run(prep: Prep, draw: Draw, home: Path) -> None:
    """Row 69: too many pictures gone at once is an unmounted disk until a person says otherwise."""
    drawn(draw, 20)
    prep("edit", "raw")
    before = tree(home)["meta.json"]
    for number in range(5):
        (home / "raw" / f"{number}.png").unlink()
    code, out, err = prep("edit", "raw")

    assert (code, out) == (1, "")
    assert err == (
        "error: 5 of 20 pictures in `raw` vanished at once\n"
        "hint: is the disk mounted? if you removed them, add `--accept-missing`\n"
    )
    assert tree(home)["meta.json"] == before
    assert prep("edit", "raw", "--accept-missing").code == 0
    assert len(json.loads(Path("meta.json").read_text(encoding="utf-8"))["samples"]) == 15


def test_all_of_them_gone(prep: Prep, draw: Draw, home: Path) -> None:
    """Row 69: an empty mount point is not an empty dataset."""
    drawn(draw, 2)
    prep("edit", "raw")
    for number in (0, 1):
        (home / "raw" / f"{number}.png").unlink()
    code, _, err = prep("edit", "raw")

    assert code == 1
    assert "2 of 2 pictures in `raw` vanished at once" in err


def test_a_dataset_that_moved_reruns_nothing(
    prep: Prep, draw: Draw, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 70: in another place, with its state, it is up to date; nothing is decoded."""
    drawn(draw)
    prep("edit", "raw")
    shutil.copytree(home, tmp_path / "moved")
    shutil.rmtree(home)
    monkeypatch.chdir(tmp_path / "moved")
    before = tree(tmp_path / "moved")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")  # decoders could not start
    code, out, err = prep("edit", "raw")

    assert (code, err) == (0, "")
    assert out.startswith("`raw` is up to date: nothing to do\n")
    assert tree(tmp_path / "moved") == before


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX limit")
@pytest.mark.parametrize(("files", "code"), [(40, 0), (12, 1)])
def test_few_open_files(draw: Draw, home: Path, files: int, code: int) -> None:
    """Row 80: 40 open files are enough for any number of pictures; too few is two lines."""
    drawn(draw, 20)
    limited = ["bash", "-c", f'ulimit -n {files}; exec "$@"', "bash"]
    ended = run_under(limited, home, "edit", "raw", "-j", "2")

    assert ended.returncode == code
    assert [line.partition(":")[0] for line in ended.stderr.splitlines()] == ["error", "hint"][
        : 2 * code
    ]
