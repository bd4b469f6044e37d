"""The command `train clean`: its options, and how they are read."""

from pathlib import Path
from typing import Annotated

import typer

from prep.runtime.console import Console
from train.cli.config_options import JSON, QUIET
from train.cli.precision_option import SAVE_PRECISION

_FILE = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="A LoRA or its like, an embedding, a checkpoint, a part of one"
    ),
]
_OUT = Annotated[
    Path | None,
    typer.Option(metavar="NEW", help="The new file; default: NAME-clean.safetensors beside FILE"),
]
_BROKEN = Annotated[
    bool, typer.Option("--drop-broken", help="Leave modules out that hold NaN or infinite numbers")
]


def clean_command(
    file: _FILE,
    *,
    out: _OUT = None,
    save_precision: SAVE_PRECISION = None,
    drop_broken: _BROKEN = False,
    quiet: QUIET = False,
    json: JSON = False,
) -> int:
    """Write what `train inspect` found wrong into a new file, put right; FILE stays as it is."""
    from train.weights.clean_file import clean_file

    console = Console(level=0 if quiet else 1, json=json)
    precision = save_precision.value if save_precision else None
    return clean_file(file, console, out=out, precision=precision, drop_broken=drop_broken)
