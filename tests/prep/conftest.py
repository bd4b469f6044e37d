"""What the tests of prep share: a folder of one's own, drawn pictures, the command."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from prep.cli.app import main
from prep.models.locate import Models
from tests.prep.projects import FANNED, NAMES, Project, new_project
from tinyworld.pictures import CORRUPT

Draw = Callable[..., Path]
BuiltOnce = Callable[[Callable[[], object]], Path]


class Said(NamedTuple):
    """How a command ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder, offline, with a user's data folder of its own."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return here


@pytest.fixture
def prep(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Type `prep WORDS` in that folder, in this process."""

    def typed(*words: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        told = capsys.readouterr()
        return Said(int(ended.value.code or 0), told.out, told.err)

    return typed


@pytest.fixture
def draw(home: Path) -> Draw:
    """Draw a picture of noise: other names, sizes and seeds are other pixels."""

    def drawn(path: str | Path, size: tuple[int, int] = (64, 64), seed: int | None = None) -> Path:
        from PIL import Image

        file = home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        noise = random.Random(str(path) if seed is None else seed).randbytes(3 * size[0] * size[1])
        Image.frombytes("RGB", size, noise).save(file)
        return file

    return drawn


@pytest.fixture
def models(tmp_path: Path) -> Models:
    """Return the models of a person without a network."""
    return Models(tmp_path / "home", offline=True, hub_cache=tmp_path / "cache")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder where the first test of a file leaves its project for the others."""
    return tmp_path_factory.mktemp("finished")


@pytest.fixture
def built_once(home: Path, finished: Path) -> BuiltOnce:
    """Build a project in that folder, once for all tests of a file; each has a copy."""

    def built(build: Callable[[], object]) -> Path:
        if any(finished.iterdir()):
            shutil.copytree(finished, home, dirs_exist_ok=True)
        else:
            build()
            shutil.copytree(home, finished, dirs_exist_ok=True)
        return home

    return built


@pytest.fixture(scope="session")
def small_made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Five pictures that went through the whole pipeline, once for all tests."""
    project = new_project(tmp_path_factory.mktemp("small") / "project")
    project.run()
    return project


@pytest.fixture
def small(small_made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of it, up to date, to change at will; the test stands in its folder."""
    copied = small_made.copied(tmp_path / "project")
    monkeypatch.chdir(copied.folder)
    monkeypatch.setenv("XDG_DATA_HOME", str(copied.home.parent))
    return copied


@pytest.fixture(scope="session")
def fanned_made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same by way of crop and augment, from `raw`, with one corrupt picture."""
    folder = tmp_path_factory.mktemp("fanned") / "project"
    project = new_project(folder, FANNED, (*NAMES, CORRUPT))
    project.run()
    return project


@pytest.fixture
def fanned(fanned_made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of it, up to date, to change at will; the test stands in its folder."""
    copied = fanned_made.copied(tmp_path / "project")
    monkeypatch.chdir(copied.folder)
    monkeypatch.setenv("XDG_DATA_HOME", str(copied.home.parent))
    return copied
