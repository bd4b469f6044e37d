"""Only what changed is done again: counted at every stage's function and every loaded model."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.prep import changes
from tests.prep.projects import NAMES, Project, new_project

HEAVY = {"torch", "transformers", "diffusers", "onnxruntime", "pandas", "numpy", "PIL"}
ALL = len(NAMES)
NEW = {
    "caption": 1,
    "caption_text": 1,
    "score": 1,
    "rating": 1,
    "graded": 1,
    "render": 1,
    "measure": 1,
    "appearance": 1,
}
NEW |= {"edit": 1, "bucket": 1, "latents": 1}


class Change(NamedTuple):
    """A change, and what it makes stages compute: stage -> samples; views and decisions apart."""

    make: Callable[[Project], None]
    computed: dict[str, int]


CHANGES = [
    Change(changes.touch, {}),
    Change(changes.replace_pixels, NEW),
    Change(changes.add_first, NEW),
    Change(changes.add_twin, {}),
    Change(changes.edit_sidecar, {"edit": 1}),
    Change(changes.edit_caption, {}),
    Change(changes.edit_sheet, {}),
    Change(changes.edit_meta, {}),
    Change(changes.delete, {}),
    Change(changes.rename, {}),
    Change(changes.rename_with_sidecars, {}),
    Change(changes.add_rule, {"edit": ALL}),
    Change(changes.other_threshold, {"render": ALL, "edit": ALL}),  # and no inference
    Change(changes.other_trigger, {"edit": ALL}),
    Change(changes.other_resolution, {"bucket": ALL, "latents": ALL}),
    Change(changes.other_vae, {"latents": ALL}),
]
PARAMS = (
    changes.other_threshold, changes.other_resolution, changes.other_trigger, changes.add_rule,
)  # fmt: skip
WHOLE = (changes.replace_pixels, changes.add_first, changes.delete, changes.other_threshold)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.make.__name__)
def test_a_change_reruns_the_affected_samples_and_stages(small: Project, change: Change) -> None:
    """A change costs exactly what depends on it, opens no other model, and leaves nothing to do."""
    change.make(small)

    spies = small.run()

    assert spies.maps() == change.computed
    for model in ("caption", "score", "latents"):
        assert spies.loads[model] == (1 if model in change.computed else 0)
    again = small.run()
    assert not again.samples
    assert not again.loads


@pytest.mark.parametrize("make", WHOLE, ids=lambda make: make.__name__)
def test_the_result_is_that_of_a_run_from_nothing(
    small: Project, tmp_path: Path, make: Callable[[Project], None]
) -> None:
    """After a change, every file has the bytes that a first run on the same inputs writes."""
    make(small)
    small.run()
    changed = small.results()

    kept = {path for path in small.folder.rglob("*") if path.is_file()}
    inputs = {".png", ".jpg", ".yaml", ".rules"}
    for path in sorted(kept):
        if ".prep" in path.parts or not (path.suffix in inputs or "base" in path.parts):
            path.unlink()
    shutil.rmtree(small.images / ".prep")
    small.run()

    assert small.results() == changed


@pytest.mark.parametrize(
    "make",
    [changes.other_threshold, changes.other_resolution, changes.other_trigger, changes.add_rule],
    ids=lambda m: m.__name__,
)
def test_going_back_costs_nothing(small: Project, make: Callable[[Project], None]) -> None:
    """What was made by the same recipe before is taken again: no stage computes a sample."""
    before = small.results()
    yaml, rules = small.file.read_bytes(), (small.folder / "tags.rules").read_bytes()
    make(small)
    small.run()
    small.file.write_bytes(yaml)
    (small.folder / "tags.rules").write_bytes(rules)

    spies = small.run()

    assert spies.maps() == {}
    assert small.results() == before


def test_a_second_run_does_nothing_and_says_so(small: Project) -> None:
    """Promise 1: no function is called, no model opened, no file or folder touched but in .prep."""

    def times() -> dict[Path, int]:
        return {
            path: path.stat().st_mtime_ns
            for path in [small.folder, *small.folder.rglob("*")]
            if ".prep" not in path.parts
        }

    before = times()

    spies = small.run()

    assert not spies.samples
    assert not spies.loads
    assert times() == before
    assert small.code == 0
    assert small.said == (
        "`images` is up to date: nothing to do\n"
        f"  {ALL} pictures: {ALL} good, 0 left out, 0 failed\n"
    )


def test_a_run_with_nothing_to_do_imports_nothing_heavy(small: Project) -> None:
    """Promise 10: where all is up to date, no library of pictures, models or types is loaded."""
    code = (
        "import sys\nfrom prep.cli.app import main\n"
        "try: main(['run'])\nexcept SystemExit as end: assert not end.code\n"
        f"print(sorted({HEAVY | {'pydantic', 'rich'}!r} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )

    assert "nothing to do" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_memory_holds_one_copy_of_each_file(small: Project) -> None:
    """However often files are written, prep keeps one copy of each to compare with, no more."""
    for word in ("one", "two", "three"):
        (small.folder / "tags.rules").write_text(f"- add: [{word}]\n")
        small.run()

    copies = {path.read_bytes() for path in (small.images / ".prep" / "published").iterdir()}
    files = [*small.folder.glob("meta*.json"), small.images / "tags.csv"]
    assert copies == {path.read_bytes() for path in files}


def test_only_recipes_that_are_shown_are_named(small: Project) -> None:
    """What an older recipe made for a sample that a person worded is no part of the result."""
    changes.edit_caption(small)
    small.run()
    small.replace("caption: {model: tiny,", "caption: {max_new_tokens: 5, model: tiny,")

    small.run()

    made_by = json.loads((small.folder / "meta.json").read_text())["made_by"]["stages"]
    assert made_by["caption"]["params"]["max_new_tokens"] == 5


def test_duplicates_are_decided_without_a_rerun(small: Project) -> None:
    """A new picture that repeats nobody changes nobody's row, so nothing else is computed."""
    before = (small.images / "tags.csv").read_bytes().splitlines()
    changes.add_first(small)

    spies = small.run()

    assert spies.samples["duplicates"] == 1
    assert spies.maps() == NEW
    after = (small.images / "tags.csv").read_bytes().splitlines()
    assert len(after) == len(before) + 1
    assert set(before) <= set(after)


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_workers_and_order_of_creation_change_nothing(
    small_made: Project, tmp_path: Path, jobs: int
) -> None:
    """Row 84: 1, 2 and 4 workers over a folder filled in another order write the same bytes."""
    shuffled = [*reversed(NAMES[jobs:]), *NAMES[:jobs]]
    project = new_project(tmp_path / "project")
    for name in NAMES:
        (project.images / name).rename(tmp_path / name)
    for name in shuffled:
        shutil.copy(tmp_path / name, project.images / name)

    project.run(jobs)

    assert project.results() == small_made.results()
