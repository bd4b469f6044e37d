"""Two runs at once, and runs that are stopped: the holder is named, work is kept, nobody stays."""

import os
import signal
import time
from pathlib import Path

import pytest

from prep.engine.state.database import snapshot
from tests.prep import killing
from tests.prep.killing import LIGHT, Watched, new_project, tree


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return new_project(tmp_path / "project", LIGHT)


def made(folder: Path, stage: str) -> int:
    """Return how many results of a stage the ledger has."""
    ledger = snapshot(folder / "images/.prep")
    try:
        return len(ledger.made(stage))
    finally:
        ledger.close()


def test_the_second_run_names_the_first(folder: Path) -> None:
    """Row 78: it exits with 5, says which process has the dataset, and disturbs nothing."""
    with killing.watched(folder) as first:
        assert first.reach("begin edit")
        second = killing.run(folder)
        lines = second.stderr.splitlines()
        assert second.returncode == 5
        assert lines[0].startswith("error: `images` is held by `prep ")
        assert f"(process {first.process.pid}, since " in lines[0]
        assert lines[1:] == ["hint: wait until it is done, or stop it"]
        first.go_on()
        assert first.end() == 0
        assert killing.run(folder).returncode == 0


def test_a_killed_run_holds_nothing(folder: Path) -> None:
    """Row 79: after SIGKILL the next run starts at once, with no file to remove by hand."""
    with killing.watched(folder) as first:
        assert first.reach("begin edit")
        assert first.send(signal.SIGKILL) == -signal.SIGKILL
        assert killing.run(folder).returncode == 0


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
@pytest.mark.parametrize("stage", ["crop", "measure"])
def test_a_stopped_run_keeps_what_it_made(
    folder: Path, tmp_path: Path, stage: str, number: int, code: int
) -> None:
    """Rows 74 and 75: within 10 s it ends with 130 or 143, and what it made is in place."""
    with killing.watched(folder) as running:
        assert running.reach(f"begin {stage}", 3)
        started = time.monotonic()
        assert running.send(number) == code
        assert time.monotonic() - started < 10
        assert made(folder, stage) == 2
        assert not [name for name in tree(folder) if "/.tmp-" in name and "mine" not in name]
        assert killing.main(folder) == 0
        clean = new_project(tmp_path / "clean", LIGHT)
        assert killing.main(clean) == 0
        assert killing.difference(clean, folder) == []


def test_no_worker_outlives_a_killed_run(folder: Path) -> None:
    """Row 77: when only the run itself is killed, the processes it started end as well."""
    with killing.watched(folder) as running:
        assert running.reach("begin crop")
        workers = children(running)
        assert workers
        running.send(signal.SIGKILL, group=False)
        until = time.monotonic() + 10
        while any(alive(worker) for worker in workers) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(alive(worker) for worker in workers)


def children(running: Watched) -> list[int]:
    """Return the ids of the processes that a run has started."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("this system has no /proc")
    ids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [number for number in ids if parent(number) == running.process.pid]


def parent(process: int) -> int:
    """Return the id of a process's parent, 0 where the process is gone."""
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def alive(process: int) -> bool:
    """Return whether a process is there and is no zombie."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_two_datasets_in_one_folder_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Runs whose dataset files stand side by side leave each other's scratch files alone."""
    text = LIGHT.replace("./raw", "./other/raw").replace("./images", "./other/images")
    one = new_project(tmp_path / "project", LIGHT)
    other = new_project(one / "other", LIGHT)
    (other / "pipelines.yaml").write_text(
        text.replace("./other/", "./").replace("./meta.json", "../other.json")
    )
    with killing.watched(one) as first:
        assert first.reach("end meta")
        assert killing.main(other) == 0
        first.go_on()
        assert first.end() == 0
        assert (one / "other.json").exists()
        assert (one / "meta.json").exists()


def test_words_written_during_a_run_are_kept(tmp_path: Path) -> None:
    """Row 21: a sidecar or dataset file that a person saves meanwhile is not written over."""
    folder = new_project(tmp_path / "project", killing.TAGGED)
    assert killing.main(folder) == 0
    yaml = folder / "pipelines.yaml"
    yaml.write_text(yaml.read_text().replace("batch: 2", "batch: 2, threshold: 0.2"))
    sidecar, meta = folder / "images/beach 2.png@crop.txt", folder / "meta.json"
    with killing.watched(folder) as running:
        assert running.reach("begin render")
        sidecar.write_text("written meanwhile")
        edited = meta.read_text().replace('"weight": 1.0', '"weight": 3.0', 1)
        meta.write_text(edited)
        running.go_on()
        assert running.end() == 0
        assert sidecar.read_text() == "written meanwhile"
        assert meta.read_text() == edited
        assert killing.main(folder) == 0
        assert sidecar.read_text() == "written meanwhile"
        assert '"weight": 3.0' in meta.read_text()
        assert "written meanwhile" in meta.read_text()
