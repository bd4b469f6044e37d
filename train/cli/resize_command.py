"""The command `train resize`: its options, and how they are read."""

from pathlib import Path
from typing import Annotated

import typer

from prep.runtime.console import Console
from prep.runtime.errors import UsageError
from train.cli.config_options import JSON, QUIET, VERBOSE
from train.cli.convert_command import FAMILY
from train.cli.merge_command import CONV_RANK, ENERGY, RANK
from train.cli.precision_option import SAVE_PRECISION


def resize_command(
    lora: Annotated[Path, typer.Argument(metavar="LORA", help="Its file, or its run's folder")],
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The LoRA to write")],
    rank: RANK = None,
    conv_rank: CONV_RANK = None,
    energy: ENERGY = None,
    save_precision: SAVE_PRECISION = None,
    family: FAMILY = None,
    verbose: VERBOSE = False,
    quiet: QUIET = False,
    json: JSON = False,
) -> None:
    """Give a LoRA less rank: a fixed one, or what keeps a share of what each module adds."""
    from train.convert.low_rank import Cut
    from train.convert.resizing import resize as resized

    check_cut(rank, energy)
    console = Console(level=0 if quiet else 2 if verbose else 1, json=json)
    precision = save_precision.value if save_precision else None
    cut = Cut(rank, energy, conv_rank)
    resized(lora, out, cut, console, precision=precision, family=family)


def check_cut(rank: int | None, energy: float | None) -> None:
    """Raise UsageError where neither a rank nor an energy is given."""
    if rank is None and energy is None:
        raise UsageError("no rank is given", "give `--rank 16`, or `--energy 0.95`, or both")
