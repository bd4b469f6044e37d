"""The command `train explain`: its options, and how they are read."""

from pathlib import Path
from typing import Annotated

import typer

from prep.runtime.console import Console
from train.cli.config_options import JSON, VERBOSE

_FILE = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="A LoRA or its like, an embedding, a hypernetwork, a fine-tune: file or folder",
    ),
]
_PRIVATE = Annotated[
    bool, typer.Option("--private", help="Digests alone: no caption, path or word of a person")
]


def explain_command(
    file: _FILE, *, private: _PRIVATE = False, verbose: VERBOSE = False, json: JSON = False
) -> None:
    """Tell what a LoRA, and what is like one, was made of: base model, settings, every picture."""
    from train.weights.explain import explain

    explain(file, Console(level=2 if verbose else 1, json=json), private)
