"""The command `train merge`: its options, and how they are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import UsageError
from train.cli.block_option import BLOCKS, block_weights_of
from train.cli.config_options import JSON, QUIET
from train.cli.convert_command import FAMILY
from train.cli.precision_option import SAVE_PRECISION

MOST_RANK = 4096
_WHAT = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="LoRAs, as `a.safetensors b.safetensors:0.7`, or base models, as `a:0.6 b:0.4`",
    ),
]
RANK = Annotated[
    int | None, typer.Option(help="Singular values kept of a module", min=1, max=MOST_RANK)
]
CONV_RANK = Annotated[
    int | None,
    typer.Option(help="The same of kernels; default: --rank", min=1, max=MOST_RANK),
]
ENERGY = Annotated[
    float | None,
    typer.Option(
        help="Share of a module's squared norm that is kept at least: its rank follows", min=0.01,
        max=1,
    ),
]  # fmt: skip
_LIKE = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", help="A folder with the settings that a single file lacks"),
]


def merge_command(models: Callable[[], Models]) -> Callable[..., None]:
    """Return the command.

    Args:
        models: Called for the models of this user.
    """

    def merge(
        files: _WHAT,
        *,
        out: Annotated[Path, typer.Option(metavar="PATH", help="What to write")],
        into: Annotated[
            str | None, typer.Option(metavar="BASE", help="A base model that LoRAs are put into")
        ] = None,
        rank: RANK = None,
        conv_rank: CONV_RANK = None,
        energy: ENERGY = None,
        block_weights: BLOCKS = "",
        save_precision: SAVE_PRECISION = None,
        like: _LIKE = None,
        family: FAMILY = None,
        quiet: QUIET = False,
        json: JSON = False,
    ) -> None:
        """Merge LoRAs into one or into a base model, or base models by weights."""
        from train.convert.low_rank import Cut
        from train.convert.merging import MergeWish
        from train.convert.merging import merge as merged

        if into is not None and (rank or conv_rank or energy):
            raise UsageError(
                "`--into` is given, and a rank", "leave the rank out: a base model has none"
            )
        if conv_rank and not (rank or energy):
            raise UsageError("`--conv-rank` is given alone", "give `--rank`, too")
        cut = Cut(rank, energy, conv_rank) if rank or energy else None
        precision = save_precision.value if save_precision else None
        wish = MergeWish(out, into, cut, block_weights_of(block_weights), precision, like, family)
        merged(files, wish, models(), Console(level=0 if quiet else 1, json=json))

    return merge
