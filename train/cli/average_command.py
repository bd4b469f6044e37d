"""The command `train average`: its options, and how they are read."""

import math
from pathlib import Path
from typing import Annotated

import typer

from prep.runtime.console import Console
from prep.runtime.errors import UsageError
from train.cli.config_options import JSON, QUIET
from train.export.average_profile import LEAST_WIDTH, MOST_WIDTH

_EXPORTS = Annotated[
    list[Path], typer.Argument(metavar="EXPORT", help="What one run has exported, or its folder")
]
_WIDTH = Annotated[
    float,
    typer.Option(
        help="How far back the average reaches, over all steps (sigma_rel)",
        min=LEAST_WIDTH,
        max=MOST_WIDTH,
    ),
]
_WEIGHTS = Annotated[
    str, typer.Option(metavar="NUMBER,...", help="What each export counts, in place of --width")
]
_OUT = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="The average; default: NAME-averaged beside the last export"),
]


def average_command(
    exports: _EXPORTS,
    *,
    width: _WIDTH = 0.1,
    weights: _WEIGHTS = "",
    out: _OUT = None,
    quiet: QUIET = False,
    json: JSON = False,
) -> None:
    """Average the weights of several exports of one run: a moving average made afterwards."""
    from train.export.average_exports import average_exports

    console = Console(level=0 if quiet else 1, json=json)
    average_exports(exports, console, width=width, weights=_weights(weights), out=out)


def _weights(text: str) -> list[float]:
    """Return the numbers of a list; UsageError where it is none of numbers from 0 on."""
    try:
        found = [float(word) for word in text.split(",")] if text else []
    except ValueError:
        found = [math.nan]
    if not all(math.isfinite(one) and one >= 0 for one in found):
        raise UsageError(
            f"`--weights {text}` is no list of numbers from 0 on", "give one for each, as `1,1,2`"
        )
    return found
