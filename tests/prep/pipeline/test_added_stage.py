"""A stage is added as one file: command, help, YAML keys, docs and contract tests follow."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
COPIED = ("prep", "tagger_models", "tinyworld", "tests/golden")
FILES = (
    "pyproject.toml", "docs/stages.md", "bootstrap.py", "tests/conftest.py", "tests/test_readme.py",
    "tests/prep/stage_bench.py", "tests/prep/stages/test_stages.py",
    "tests/tagger_models/model_server.py",
)  # fmt: skip
GREY = '''\
"""How grey each picture is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prep.stage import param, stage

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    top: int = param(100, "what a picture without colour is given", ge=1)


@stage(version=1, reads=("image",), writes="greyness", params=Params)
def grey(image: "Image.Image", params: Params) -> int:
    """Tell how grey each picture is."""
    most = image.convert("HSV").getchannel("S").getextrema()[1]
    return params.top * (255 - most) // 255
'''


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which prep/stages has one file more."""
    top = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        shutil.copytree(ROOT / name, top / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, top / name)
    (top / "prep" / "stages" / "grey.py").write_text(GREY)
    return top


def python(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the copy, with its packages in place of the installed ones."""
    variables = os.environ | {
        "PYTHONPATH": str(checkout), "COLUMNS": "200", "XDG_DATA_HOME": str(checkout / "user"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=checkout, env=variables, capture_output=True, text=True, check=False
    )


def test_it_is_a_command_with_help(checkout: Path) -> None:
    """The command line lists it, and shows its param with the help of the declaration."""
    listed = python(checkout, "-m", "prep", "--help").stdout
    shown = " ".join(python(checkout, "-m", "prep", "grey", "--help").stdout.split())

    assert "Tell how grey each picture is." in listed
    assert "--top <int>" in shown
    assert "what a picture without colour is given [100]" in shown


def test_it_runs_by_name_and_by_pipelines_yaml(checkout: Path) -> None:
    """It runs alone and in a pipeline, once for each picture; limits hold in both places."""
    (checkout / "raw").mkdir()
    for name, colour in (("a.png", "grey"), ("b.png", "red")):
        Image.new("RGB", (64, 64), colour).save(checkout / "raw" / name)
    pipelines = checkout / "pipelines.yaml"
    pipelines.write_text("pipelines:\n  p: {images: ./raw, stages: [grey: {top: 0}]}\n")
    refused = python(checkout, "-m", "prep", "run")
    pipelines.write_text("pipelines:\n  p: {images: ./raw, stages: [grey: {top: 50}]}\n")

    assert "`top` is 0" in refused.stderr
    assert "grey: 2 made" in python(checkout, "-m", "prep", "run").stdout
    assert "nothing to do" in python(checkout, "-m", "prep", "grey", "./raw").stdout
    assert "grey: 2 made" in python(checkout, "-m", "prep", "grey", "./raw", "--top", "9").stdout


def test_it_is_covered_by_the_contract_tests(checkout: Path) -> None:
    """Its contract tests exist and pass; one writes its golden value, one its row in docs."""
    chosen = "grey or every_file or one_writer or import_nothing or stale"
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen)
    places = ("tests/prep/stages/test_stages.py", "tests/test_readme.py")
    before = python(checkout, *words, *places)
    updated = python(checkout, *words, "--update-golden", *places)
    after = python(checkout, *words, *places)

    assert "nothing is stored for grey@1: run `pytest --update-golden`" in before.stdout
    assert "the table is stale: run `pytest --update-golden`" in before.stdout
    assert before.stdout.count("FAILED") == 2
    assert updated.returncode == after.returncode == 0, updated.stdout + after.stdout
    assert "[grey]" in python(checkout, *words, "--collect-only", *places).stdout
    row = "| `grey` | grey | image | greyness | Tell how grey each picture is. |"
    assert row in (checkout / "docs" / "stages.md").read_text()


def test_no_file_had_to_be_touched(checkout: Path) -> None:
    """The code of the copy is that of the project, byte for byte, but for the one new file."""
    found = {path.relative_to(checkout) for path in checkout.rglob("*.py")}
    added = {path for path in found if not (ROOT / path).is_file()}

    assert added == {Path("prep/stages/grey.py")}
    assert all(
        (checkout / path).read_bytes() == (ROOT / path).read_bytes() for path in found - added
    )
