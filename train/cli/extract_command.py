"""The command `train extract`: its options, and how they are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from prep.models.locate import Models
from prep.runtime.console import Console
from train.cli.config_options import JSON, QUIET
from train.cli.merge_command import ENERGY, MOST_RANK, RANK
from train.cli.precision_option import SavePrecision
from train.cli.resize_command import check_cut

_TUNED = Annotated[
    str, typer.Argument(metavar="TUNED", help="A tuned model: folder, single file or hub id")
]
_BASE = Annotated[str, typer.Argument(metavar="BASE", help="The model that it was tuned from")]
_CLAMP = Annotated[
    float,
    typer.Option(
        help="Quantile of a module's numbers that larger ones are cut off at; 1: none",
        min=0.5,
        max=1,
    ),
]


def extract_command(models: Callable[[], Models]) -> Callable[..., None]:
    """Return the command.

    Args:
        models: Called for the models of this user.
    """

    def extract(
        tuned: _TUNED,
        base: _BASE,
        *,
        out: Annotated[Path, typer.Option(metavar="FILE", help="The LoRA to write")],
        rank: RANK = None,
        conv_rank: Annotated[
            int | None,
            typer.Option(help="Rank of kernels; default: they get none", min=1, max=MOST_RANK),
        ] = None,
        energy: ENERGY = None,
        clamp: _CLAMP = 1.0,
        save_precision: Annotated[
            SavePrecision, typer.Option(help="Of the numbers that are written")
        ] = SavePrecision.FP32,
        quiet: QUIET = False,
        json: JSON = False,
    ) -> None:
        """Make a LoRA of what a tuned model has otherwise than its base model."""
        from train.convert.extraction import ExtractWish
        from train.convert.extraction import extract as extracted
        from train.convert.low_rank import Cut

        check_cut(rank, energy)
        cut = Cut(rank, energy, conv_rank)
        wish = ExtractWish(out, cut, conv_rank is not None, clamp, save_precision.value)
        console = Console(level=0 if quiet else 1, json=json)
        extracted(tuned, base, wish, models(), console)

    return extract
