"""An import of a sheet that was killed: typed again, it ends where one never killed does."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.engine.session import Context
from prep.models.locate import Models
from prep.pipeline import locations
from prep.pipeline.config import read_pipelines
from prep.pipeline.pipeline import choose
from prep.pipeline.subcommands import all_commands
from prep.runtime.console import Console
from prep.stage import Stage
from prep.stages import all_stages
from tests.prep.killing import ROOT, environment
from tests.prep.projects import seen_files

STAGES = """\
pipelines:
  words:
    images: ./images
    stages:
      - tag: {model: tiny}
      - edit
"""
SHEET = Path("images/tags.csv")


def killed_at(stage: str, sheet: Path) -> int:
    """Import a sheet in a child that is killed when it calls a stage; return its exit code."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "tests.prep.commands.test_review_killed",
        stage,
        str(sheet),
    ]
    where = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, env=environment() | where, check=False).returncode


@pytest.mark.parametrize("stage", ["tags_sidecar", "caption_sidecar", "tags_csv"])
def test_a_killed_import_is_repeated(
    home: Path, draw: Callable[..., Path], prep: Callable[..., Any], stage: str
) -> None:
    """Killed between taking the edits and publishing them, the import typed again completes."""
    for name in "ab":
        draw(f"images/{name}.png")
    Path("pipelines.yaml").write_text(STAGES)
    assert prep("run").code == 0
    lines = SHEET.read_text(encoding="utf-8-sig").splitlines()
    cells = lines[1].split(",")
    lines[1] = ",".join([*cells[:3], "", "mine", "a drawing", "", "", "a note"])
    SHEET.write_text("\n".join(lines), encoding="utf-8-sig")
    shutil.copytree(home, home.parent / "whole")

    assert killed_at(stage, SHEET) == -signal.SIGKILL
    again = prep("review", "import")
    assert (again.code, again.err) == (0, "")

    assert prep("run").code == 0
    killed = seen_files(home)
    os.chdir(home.parent / "whole")
    assert prep("review", "import").code == 0
    assert prep("run").code == 0
    assert seen_files(home.parent / "whole") == killed
    assert b"a note" in killed["images/tags.csv"]
    assert killed["images/a.txt"] == b"mine\n"


def main(stage: str, sheet: Path) -> None:
    """Import a sheet; when the stage's function is called, nobody hears of it."""
    from dataclasses import replace

    from prep.commands.review_import import take_over

    def dying(found: Stage) -> Stage:
        def run(*_: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        return replace(found, run=run)

    stages = all_stages() | {stage: dying(all_stages()[stage])}
    found = read_pipelines(Path("pipelines.yaml"), all_commands(stages.values()))
    place = locations.known_location(sheet.parent, None, choose(found, None))
    context = Context(stages, Models(Path("../home"), offline=True), Console())
    take_over(sheet, place, context)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
