"""The command `train inspect`: its options, and how they are read."""

from pathlib import Path
from typing import Annotated

import typer

from prep.runtime.console import Console
from train.cli.config_options import JSON, VERBOSE

_FILES = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE",
        help="LoRAs and their like, embeddings, checkpoints, VAEs, diffusers folders, run folders",
    ),
]


_PLOT = Annotated[
    Path | None, typer.Option(metavar="FILE.svg", help="Draw the strengths of blocks, of one FILE")
]


def inspect_command(
    files: _FILES, *, plot: _PLOT = None, verbose: VERBOSE = False, json: JSON = False
) -> int:
    """Tell what is in files of weights, block by block, and what is wrong with them."""
    from train.weights.inspect_files import inspect_files

    return inspect_files(files, Console(level=2 if verbose else 1, json=json), plot)
