"""Folders as an earlier version left them (earlier/make.py): what people have stays theirs."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.prep.projects import Project

ARCHIVES = Path(__file__).with_name("earlier")
BEFORE = "1bc4743"  # the commit before the rooms were moved
FIRST = "f69f211"  # the first version; since then pictures are decoded by other rules
TRAINING = ("lora", "meta_lat.json", "--base", "tiny", "--rank", "1", "--steps", "6")


@pytest.fixture
def project(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """Stand in the folder as that version left it, file times included."""
    monkeypatch.chdir(tmp_path)
    with tarfile.open(ARCHIVES / f"{request.param}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="tar")
    return Project(tmp_path)


def typed(project: Project, program: str, *words: str) -> tuple[int, str]:
    """Return the exit code of a command, and what it said."""
    ended = subprocess.run(
        [sys.executable, "-P", "-m", program, *words],
        cwd=project.folder,
        env=os.environ | {"XDG_DATA_HOME": str(project.folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout


def times(project: Project, *patterns: str) -> dict[str, int]:
    """Return path -> time of the last change, of the files that match."""
    found = [path for pattern in patterns for path in project.images.glob(pattern)]
    return {path.name: path.stat().st_mtime_ns for path in found if not path.name.startswith("5")}


@pytest.mark.parametrize("project", [BEFORE], indirect=True)
def test_nothing_is_computed_again(project: Project) -> None:
    """Only the picture that the killed run was about is worked on; no other file is touched.

    All are measured anew: their size alone is kept of them since.
    """
    before = times(project, "*.txt", "*.caption", "*.png", ".prep/latents/*/*")

    called = project.run()

    assert project.code == 0
    assert called.maps() == {"bucket": 1, "edit": 1, "latents": 1, "measure": 6}
    after = times(project, "*.txt", "*.caption", "*.png", ".prep/latents/*/*")
    assert {name: after[name] for name in before} == before
    assert (project.images / "5.txt").exists()
    assert list(project.images.glob(".tmp-*")) == []
    assert project.run().maps() == {}


@pytest.mark.parametrize("project", [BEFORE, FIRST], indirect=True)
def test_a_persons_words_hold(project: Project) -> None:
    """Texts, an edit of many pictures and a sheet that waits are there, and can be taken back."""
    own = {name: (project.images / name).read_bytes() for name in ("0.txt", "1.txt")}

    project.run()

    assert "`images/tags.csv`: it was edited and not yet imported" in project.said
    assert {name: (project.images / name).read_bytes() for name in own} == own
    words = json.loads((project.folder / "meta.json").read_text())["samples"]
    assert [words[f"{n}.png"]["tags"][-1] for n in (0, 2, 3, 4)] == ["added by me"] * 4
    assert words["1.png"]["tags"] == ["mascot", "a girl", "with two spaces"]

    assert typed(project, "prep", "review", "import") == (
        0, "read `images/tags.csv` as UTF-8, separated by commas: 1 cell changed\n",
    )  # fmt: skip
    assert "a note of mine" in (project.images / "tags.csv").read_text(encoding="utf-8-sig")
    back = "took back `prep edit images --add 'added by me'`: 4 pictures\n"
    kept = "  kept 1.png: tags: it was changed since\n"
    assert typed(project, "prep", "undo", "--in", "images") == (4, back + kept)


@pytest.mark.parametrize("project", [BEFORE, FIRST], indirect=True)
def test_a_training_goes_on(project: Project) -> None:
    """The same command continues after the last whole checkpoint."""
    code, said = typed(project, "train", *TRAINING, "--save-every-steps", "2")

    assert code == 0
    assert said.splitlines()[-1] == "trained: runs/images-45fb29b7/images.safetensors"
    steps = (project.folder / "runs/images-45fb29b7/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in steps] == [1, 2, 3, 4, 5, 6]
