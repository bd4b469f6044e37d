"""The command `train reproduce`: its options, and how they are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from prep.models.locate import Models
from prep.runtime.console import Console
from train.cli.config_options import JSON, QUIET

_FILE = Annotated[
    Path, typer.Argument(metavar="FILE", help="An export with a certificate, or its run folder")
]
_DATA = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="META", help="Dataset file with latents; default: those that the run folder names"
    ),
]
_BASE = Annotated[
    str | None,
    typer.Option(help="Base model; default: the one that the run folder or the dataset names"),
]
_START = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The LoRA that it went on from, where it did"),
]
_OUT = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Folder of the run; default: `again` beside FILE"),
]
_ANYWAY = Annotated[
    bool, typer.Option("--anyway", help="Train although something is not as it was")
]


def reproduce_command(models: Callable[[], Models]) -> Callable[..., int]:
    """Return the command.

    Args:
        models: Called for the models of this user.
    """

    def reproduce(
        file: _FILE,
        *,
        data: _DATA = None,
        base: _BASE = None,
        start_from: _START = None,
        out: _OUT = None,
        anyway: _ANYWAY = False,
        quiet: QUIET = False,
        json: JSON = False,
    ) -> int:
        """Train an export again from its certificate, and tell whether it is the same."""
        from train.again.reproduce import ReproduceWish
        from train.again.reproduce import reproduce as trained_again

        wish = ReproduceWish(data or [], base, start_from, out, anyway)
        console = Console(level=0 if quiet else 1, json=json)
        return 0 if trained_again(file, wish, models(), console) else 3

    return reproduce
