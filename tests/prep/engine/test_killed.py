"""Killed at any moment, the next run ends in the bytes of a run never stopped.

`benchmarks/killed.py` is the long form: every system call, three kills in every stage.
"""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from prep.engine.state.database import opened
from prep.runtime.files import digest
from prep.stages import all_stages
from tests.prep import killing
from tests.prep.killing import FULL, LIGHT, TAGGED, Call, difference, new_project, persons, tree

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
EVERY = 20


def test_killed_once_in_every_stage(tmp_path: Path) -> None:
    """Row 72: one dataset, killed in each stage in turn, ends as the one that nobody stopped."""
    chance = random.Random(2)
    clean, folder = new_project(tmp_path / "clean", FULL), new_project(tmp_path / "killed", FULL)
    for project in (clean, folder):
        _mask_two(project / "raw")
    mine = persons(folder)
    with killing.watched(clean) as running:
        begun = [event for event in running.events() if event.startswith("begin")]
        assert running.end() == 0
    stages = list(dict.fromkeys(begun))
    exported = {"thumbnail", "tags_xlsx", "tags_long"}  # by `prep review export` alone
    assert set(stages) == {f"begin {name}" for name in set(all_stages()) - exported}
    for begin in stages:
        event = chance.choice((begin, begin.replace("begin", "end")))
        assert killing.killed(folder, event, 1, chance.uniform(0, 0.05)), event
    with killing.watched(folder) as running:
        assert running.end() == 0
    assert difference(clean, folder) == []
    assert persons(folder) == mine


def _mask_two(raw: Path) -> None:
    """Give one picture a mask beside it, and another one transparency."""
    beside, own = sorted(raw.glob("*.png"))[:2]
    with Image.open(beside) as image:
        Image.linear_gradient("L").resize(image.size).save(beside.with_suffix(".mask.png"))
    with Image.open(own) as image:
        image.putalpha(Image.linear_gradient("L").resize(image.size))
        image.save(own)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[Call]]:
    """Return a project before its first run, one after it, and the calls of that run."""
    base = new_project(tmp_path_factory.mktemp("first") / "base", LIGHT)
    clean = Path(shutil.copytree(base, base.parent / "clean"))
    return base, clean, killing.calls(clean)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[Call]]:
    """Return the same for the run after a person changed pixels, params and words."""
    base = new_project(tmp_path_factory.mktemp("second") / "base", LIGHT)
    killing.main(base)
    killing.changed(base)
    clean = Path(shutil.copytree(base, base.parent / "clean"))
    return base, clean, killing.calls(clean)


@needs_strace
@pytest.mark.long
def test_killed_at_every_20th_system_call(
    first: tuple[Path, Path, list[Call]], tmp_path: Path
) -> None:
    """Row 72: killed before a call that changes a file, the rerun has the same bytes."""
    calls = first[2]
    assert len(calls) > 200
    for call in calls[::EVERY]:
        _kill_and_compare(first, call, tmp_path / "killed")


@needs_strace
def test_killed_at_names_of_a_second_run(
    second: tuple[Path, Path, list[Call]], tmp_path: Path
) -> None:
    """Row 72: the same where old results are replaced and what is no longer needed removed."""
    renames = [call for call in second[2] if call.name == "rename"]
    removals = [call for call in second[2] if call.name == "unlink" and "/published/" in call.text]
    assert (len(renames), len(removals)) == (7, 2)
    for call in renames[::2] + removals:
        _kill_and_compare(second, call, tmp_path / "killed")


def _kill_and_compare(run: tuple[Path, Path, list[Call]], call: Call, folder: Path) -> None:
    base, clean, _ = run
    shutil.copytree(base, folder)
    mine = persons(folder)
    assert killing.run_into(folder, call, "signal=KILL").returncode == -9, call
    assert killing.main(folder) == 0
    assert difference(clean, folder) == [], call
    assert persons(folder) == mine
    shutil.rmtree(folder)


@needs_strace
@pytest.mark.parametrize("what", ["error=ENOSPC", "error=EIO"])
def test_an_error_in_place_of_a_system_call(
    what: str, first: tuple[Path, Path, list[Call]], tmp_path: Path
) -> None:
    """Rows 59, 60, 63: two lines and exit code 1, nothing torn, and the rerun completes."""
    base, clean, calls = first
    refused = 0
    for call in calls[7 :: 3 * EVERY]:
        folder = Path(shutil.copytree(base, tmp_path / "refused"))
        done = killing.run_into(folder, call, what)
        lines = done.stderr.splitlines()
        if done.returncode:
            assert done.returncode == 1, call
            assert [line.partition(" ")[0] for line in lines] == ["error:", "hint:"], call
            refused += 1
        assert killing.main(folder) == 0
        assert difference(clean, folder) == [], call
        shutil.rmtree(folder)
    assert refused > 2


@needs_strace
def test_a_write_that_lies_about_its_length(
    first: tuple[Path, Path, list[Call]], tmp_path: Path
) -> None:
    """Row 64: a write that says it took all and took nothing is found out, never published."""
    base, clean, calls = first
    published = [call for call in calls if call.name == "write" and "/.tmp-" in call.text]
    assert len(published) == 4  # two dataset files and their copies; decoders write the crops
    for call in published[::3]:
        folder = Path(shutil.copytree(base, tmp_path / "short"))
        length = call.text.rpartition("= ")[2]
        done = killing.run_into(folder, call, f"retval={length}")
        assert done.returncode == 1, call
        assert "only a part could be written of" in done.stderr
        assert killing.main(folder) == 0
        assert difference(clean, folder) == [], call
        shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount")
def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """Rows 59 and 60: a real full disk is told in two lines; with space, the run completes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine mounts nothing")
    try:
        clean = new_project(tmp_path / "clean", LIGHT)
        assert killing.main(clean) == 0
        folder = new_project(disk / "project", LIGHT)
        taken = disk / "taken"
        for room in (0, 160_000, 320_000):
            free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            taken.write_bytes(b"\0" * max(0, free - room))
            done = killing.run(folder)
            assert (done.returncode, done.stderr.count("\n")) in [(1, 2), (0, 0)], done.stderr
            taken.unlink()
        assert killing.main(folder) == 0
        assert difference(clean, folder) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_lost_ledger_is_rebuilt(tmp_path: Path) -> None:
    """Without its ledgers a dataset ends in the same bytes: our files stay ours, edits theirs."""
    clean, folder = new_project(tmp_path / "clean", TAGGED), new_project(tmp_path / "lost", TAGGED)
    for project in (clean, folder):
        assert killing.main(project) == 0
        (project / "images/beach 2.png@crop.txt").write_text("a person's")
        text = (project / "meta.json").read_text()
        (project / "meta.json").write_text(text.replace('"weight": 1.0', '"weight": 2.0', 1))
        assert text != (project / "meta.json").read_text()
        assert killing.main(project) == 0
    for ledger in folder.rglob("ledger.sqlite*"):
        ledger.unlink()
    edited = folder / "images/beach 2.png@crop.txt"
    before = edited.stat().st_mtime_ns
    assert killing.main(folder) == 0
    assert tree(folder) == tree(clean)
    assert (edited.read_text(), edited.stat().st_mtime_ns) == ("a person's", before)


def test_a_file_edited_after_the_kill(tmp_path: Path) -> None:
    """Killed between rename and done, then edited: only the edit is a person's, and it is kept."""
    folder = new_project(tmp_path / "project", LIGHT)
    assert killing.main(folder) == 0
    meta, state = folder / "meta.json", folder / "images/.prep"
    with opened(state) as ledger, ledger.batch():
        ledger.wrote("../meta.json", None)
        ledger.intend("../meta.json", digest(meta))
        ledger.forget("meta", ["../meta.json"])
    meta.write_text(meta.read_text().replace('"weight": 1.0', '"weight": 2.0', 1))
    assert killing.main(folder) == 0
    with opened(state) as ledger:
        edits = {
            at: edit.value for at, edit in ledger.edits().items() if edit.source == "meta.json"
        }
    assert edits == {("beach 1.jpg@crop.png", "meta.weight"): 2.0}
    assert meta.read_text().count('"weight": 2.0') == 1
