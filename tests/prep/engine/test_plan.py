"""`prep plan` shows what `prep run` then does, compared with what is really called."""

from collections.abc import Callable
from pathlib import Path

import pytest

from prep.stage import Shape
from prep.stages import all_stages
from tests.prep import changes
from tests.prep.projects import FANNED, NAMES, Project, drawing, new_project
from tinyworld.pictures import CORRUPT

SINGLE = [
    changes.replace_pixels, changes.add_first, changes.edit_sidecar, changes.edit_caption,
    changes.edit_meta, changes.delete, changes.rename, changes.add_rule, changes.other_threshold,
    changes.other_resolution, changes.other_vae,
]  # fmt: skip
RAW = "snow 1.png"
TAG_AND_EDIT = """\
pipelines:
  small:
    images: ./images
    meta: ./meta.json
    stages:
      - tag: {model: tiny}
      - edit:
"""


def replace_source(project: Project) -> None:
    (project.folder / "raw" / RAW).write_bytes(drawing(RAW, 77))


def add_source(project: Project) -> None:
    (project.folder / "raw" / "night 3.png").write_bytes(drawing("night 3.png", 5))


def delete_source(project: Project) -> None:
    (project.folder / "raw" / RAW).unlink()


def other_crop(project: Project) -> None:
    (project.folder / "raw" / CORRUPT).unlink()  # it is tried, and never reaches the function
    project.replace("min_side: 64", "min_side: 300")


def no_flip(project: Project) -> None:
    project.replace("augment: {to: ./images}", "augment: {to: ./images, flip: false}")


def compare(project: Project) -> None:
    """Plan, run, and compare: only what waits may turn out either way."""
    before = {path: path.stat().st_mtime_ns for path in project.folder.rglob("*")}
    plan = project.plan()
    after = {path: path.stat().st_mtime_ns for path in project.folder.rglob("*")}
    memory = {path for path in before | after if ".prep" in path.parts}
    assert {p: t for p, t in before.items() if p not in memory} == {
        p: t for p, t in after.items() if p not in memory
    }

    spies = project.run()

    stages = all_stages()
    for name, row in plan.items():
        done = spies.samples[name]
        if stages[name].shape is Shape.DECISION:
            assert done == bool(row["run"]) or row["waits"], name
        elif row["waits"]:
            assert done >= row["run"], name
        else:
            assert done == row["run"], name
        if not row["busy"]:
            assert not spies.loads[name], name
    assert not any(row["busy"] for row in project.plan().values())


@pytest.mark.parametrize("change", SINGLE, ids=lambda change: change.__name__)
def test_the_plan_is_what_the_run_does(small: Project, change: Callable[[Project], None]) -> None:
    """What the plan runs is run, what it skips is not called; planning changes no file."""
    change(small)

    compare(small)


@pytest.mark.parametrize(
    "change",
    [replace_source, add_source, delete_source, other_crop, no_flip],
    ids=lambda change: change.__name__,
)
def test_the_plan_follows_a_change_through_folders(
    fanned: Project, change: Callable[[Project], None]
) -> None:
    """What depends on pictures that are yet to be cut waits; the rest is skipped, truly."""
    change(fanned)

    compare(fanned)


def test_the_first_plan_knows_what_is_unknown(tmp_path: Path) -> None:
    """Before anything ran, what reads pictures runs and what reads results waits."""
    project = new_project(tmp_path / "project")

    plan = project.plan()

    count = len(NAMES)
    for name in ("caption", "score", "measure"):
        assert (plan[name]["run"], plan[name]["waits"]) == (count, 0)
    for name in ("render", "edit", "bucket", "latents", "duplicates", "tags_sidecar"):
        assert (plan[name]["run"], plan[name]["waits"]) == (0, count)
    assert not (project.images / ".prep").exists()


def test_a_plan_of_folders_that_are_not_there_yet(tmp_path: Path) -> None:
    """Stages of a folder that crop has yet to write wait for it."""
    project = new_project(tmp_path / "project", FANNED)

    plan = project.plan()

    assert plan["crop"]["run"] == len(NAMES)
    assert all(row["busy"] for row in plan.values())
    assert "run" not in plan["latents"]


def test_after_the_first_run_nothing_is_left_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a stage after the sheet makes for others is no reason to write the sheet again."""
    project = new_project(tmp_path / "project", TAG_AND_EDIT)
    monkeypatch.chdir(project.folder)
    project.run()

    assert [name for name, row in project.plan().items() if row["busy"]] == []


def test_going_back_is_planned_as_reuse(small: Project) -> None:
    """Results of the same recipe are taken again: the plan says so, and nothing is computed."""
    changes.other_resolution(small)
    small.run()
    small.replace("resolution: 160", "resolution: 128")

    row = small.plan()["bucket"]

    assert (row["reuse"], row["run"]) == (len(NAMES), 0)
    assert small.run().maps() == {}
