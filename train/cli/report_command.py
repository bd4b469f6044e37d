"""The command `train report`."""

from pathlib import Path
from typing import Annotated

import typer

from prep.runtime.console import Console
from train.cli.config_options import JSON, QUIET


def report_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run")],
    *,
    quiet: QUIET = False,
    json: JSON = False,
) -> None:
    """Write the page of a run, `report.html` in its folder; a training writes it, too."""
    from train.report.report_pictures import ReportPictures
    from train.report.run_report_file import write_report

    console = Console(level=0 if quiet else 1, json=json)
    path = write_report(run, ReportPictures())
    console.say(f"written: {path}", report=str(path))
