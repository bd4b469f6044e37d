"""An error that ends a run leaves nothing running."""

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prep.commands import run
from prep.engine.session import Context
from prep.models.locate import Models
from prep.pipeline.config import read_pipelines
from prep.pipeline.pipeline import choose
from prep.pipeline.subcommands import all_commands
from prep.runtime.console import Console
from prep.runtime.errors import MachineError
from prep.stages import all_stages
from tests.prep.projects import Project, drawing

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def decoders() -> list[str]:
    """Return the decoding processes that this process has now."""
    me = Path("/proc/self").resolve().name
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = (place / "stat").read_text().rpartition(")")[2].split()[1]
            command = (place / "cmdline").read_bytes()
        except OSError:  # it has just ended
            continue
        if parent == me and b"decoding.worker" in command:
            found.append(place.name)
    return found


def test_an_error_in_a_stage_ends_its_decoders(small: Project) -> None:
    """When a full memory ends a run, its decoders have ended too, while the error is being told."""
    for number in range(6):
        (small.images / f"new {number}.png").write_bytes(drawing("night 3.png", number))

    def full(*_: Any) -> Any:
        assert decoders()
        raise MachineError("memory is full", "close something")

    stages = all_stages()
    stages["measure"] = replace(stages["measure"], run=full)
    context = Context(stages, Models(small.home), Console(out=io.StringIO(), err=io.StringIO()), 2)
    pipeline = choose(read_pipelines(small.file, all_commands(stages.values())), None)

    with pytest.raises(MachineError) as caught:
        run.run_pipeline(pipeline, context, ())

    assert caught.tb is not None  # it still holds every frame
    assert decoders() == []
