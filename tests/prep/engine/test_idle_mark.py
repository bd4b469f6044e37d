"""A run that follows an idle one reads no row, and sees every change all the same."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from prep.engine.state import file_stat, seal
from prep.engine.state.database import opened
from prep.engine.state.ledger_queries import Queries
from tests.prep import changes
from tests.prep.projects import STAGES, Project, new_project, seen_files

LIGHT = "".join(
    line
    for line in STAGES.splitlines(keepends=True)
    if not any(name in line for name in ("caption:", "tag:", "latents:"))
)


def delete_sheet(project: Project) -> None:
    (project.images / "tags.csv").unlink()


def delete_meta(project: Project) -> None:
    (project.folder / "meta_bucket.json").unlink()


def delete_copies(project: Project) -> None:
    for path in (project.images / ".prep" / "published").iterdir():
        path.unlink()


def delete_sidecar(project: Project) -> None:
    (project.images / f"{changes.STEM}.txt").unlink()


def clash(project: Project) -> None:
    (project.images / f"{changes.STEM}.png").write_bytes(changes.drawing("snow 1.png", 9))


def link(project: Project) -> None:
    (project.images / "a link.png").symlink_to(project.images / changes.PICTURE)


CHANGES = [
    changes.touch, changes.replace_pixels, changes.add_first, changes.add_twin,
    changes.edit_sidecar, changes.edit_caption, changes.edit_meta, changes.delete,
    changes.rename, changes.rename_with_sidecars, changes.add_rule, changes.other_trigger,
    changes.other_resolution, delete_sheet, delete_meta, delete_copies, delete_sidecar, clash, link,
]  # fmt: skip


@pytest.fixture
def idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project in which nothing is to be done, and whose last run left its mark."""
    monkeypatch.setattr(file_stat, "_RACY_NS", 0)  # no waiting for two seconds
    monkeypatch.setattr(seal, "_RACY_NS", 0)
    project = new_project(tmp_path / "project", LIGHT)
    (project.images / f"{changes.STEM}.txt").write_text("sand, my words\n")
    project.run()
    for _ in range(3):
        project.run()
    assert mark(project).exists()
    return project


def mark(project: Project) -> Path:
    """Return the file that an idle run leaves."""
    return project.images / ".prep" / "ledger.idle"


def _rows_read(monkeypatch: pytest.MonkeyPatch, command: Callable[[], object]) -> int:
    """Return how often the results of a stage are read while a command runs."""
    count, made = 0, Queries.made

    def spied(self: Queries, stage: str) -> object:
        nonlocal count
        count += 1
        return made(self, stage)

    with monkeypatch.context() as patched:
        patched.setattr(Queries, "made", spied)
        command()
    return count


def test_an_idle_run_reads_no_row(idle: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run and plan say what they said when they had looked at every row, and write nothing."""
    said = idle.said
    files = {path: path.stat().st_mtime_ns for path in idle.folder.rglob("*") if path.is_file()}
    assert _rows_read(monkeypatch, idle.run) == 0
    assert idle.said == said
    assert _rows_read(monkeypatch, idle.plan) == 0
    planned = idle.plan()
    mark(idle).unlink()
    assert _rows_read(monkeypatch, idle.plan) > 0
    assert idle.plan() == planned
    moved = [path.name for path in files if path.exists() and path.stat().st_mtime_ns > files[path]]
    assert moved == ["clock"]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_whatever_changes_is_seen(idle: Project, change: Callable[[Project], None]) -> None:
    """A run after a change does and says what it would without the mark."""
    other = idle.copied(idle.folder.with_name("other"))
    mark(other).unlink()
    for project in (idle, other):
        change(project)
        project.run()
    assert (idle.code, idle.said) == (other.code, other.said.replace("/other/", "/project/"))
    assert seen_files(idle.folder) == seen_files(other.folder)


def test_what_was_changed_and_changed_back_is_made_again(idle: Project) -> None:
    """A mark tells of the rows that it was left with, not of what another run made of them."""
    before = seen_files(idle.folder)
    changes.other_trigger(idle)
    idle.run()
    assert seen_files(idle.folder) != before
    idle.replace("trigger: mascotta", "trigger: mascot")
    idle.run()

    assert seen_files(idle.folder) == before


def test_what_another_command_forgot_is_made_again(idle: Project) -> None:
    """The ledger is sealed anew after each change of prep's own, and the mark names its seal."""
    with opened(idle.images / ".prep") as ledger, ledger.batch():
        ledger.forget("bucket", [changes.PICTURE])

    assert idle.run().samples["bucket"] == 1


def test_a_changed_row_makes_the_mark_void(idle: Project) -> None:
    """A result that was taken out of the ledger, by whatever program, is made again."""
    ledger = idle.images / ".prep" / "ledger.sqlite"
    with closing(sqlite3.connect(ledger)) as database, database:
        database.execute("DELETE FROM results WHERE stage = 'bucket'")

    idle.run()

    with closing(sqlite3.connect(ledger)) as database:
        count = "SELECT count(*) FROM results WHERE stage = 'bucket'"
        assert database.execute(count).fetchone() == (5,)


def delete_latents(path: Path) -> None:
    path.unlink()


def damage_latents(path: Path) -> None:
    path.write_bytes(b"damaged")


@pytest.mark.parametrize("change", [delete_latents, damage_latents])
def test_results_that_are_files_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    """An idle run with latents reads no row either, and makes those anew that are lost."""
    monkeypatch.setattr(file_stat, "_RACY_NS", 0)
    monkeypatch.setattr(seal, "_RACY_NS", 0)
    project = new_project(tmp_path / "project", f"{LIGHT}      - latents: {{model: tiny}}\n")
    for _ in range(4):
        project.run()
    assert _rows_read(monkeypatch, project.run) == 0
    path = min((project.images / ".prep" / "latents").rglob("*.safetensors"))
    before = path.read_bytes()

    change(path)

    assert project.run().samples["latents"] == 1
    assert path.read_bytes() == before
