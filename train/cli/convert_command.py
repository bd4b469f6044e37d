"""The command `train convert`: its options, and how they are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from prep.models.locate import Models
from prep.runtime.console import Console
from train.cli.config_options import JSON, QUIET
from train.cli.precision_option import SAVE_PRECISION

FAMILY = Annotated[
    str | None,
    typer.Option(help="Family of a LoRA that does not say it: sd15, sd2, sdxl or sd35"),
]


def convert_command(models: Callable[[], Models]) -> Callable[..., None]:
    """Return the command.

    Args:
        models: Called for the models of this user.
    """

    def convert(
        source: Annotated[
            str, typer.Argument(metavar="SOURCE", help="A base model's folder or file, or a LoRA")
        ],
        *,
        to: Annotated[
            str,
            typer.Option(help="folder or file, of a base model; kohya, peft or comfy, of a LoRA"),
        ],
        out: Annotated[Path, typer.Option(metavar="PATH", help="What to write")],
        save_precision: SAVE_PRECISION = None,
        like: Annotated[
            str | None,
            typer.Option(
                metavar="FOLDER", help="A folder with the settings that a single file lacks"
            ),
        ] = None,
        family: FAMILY = None,
        quiet: QUIET = False,
        json: JSON = False,
    ) -> None:
        """Write a base model as folder or file, or a LoRA by the names of other programs."""
        from train.convert.conversions import convert as converted

        console = Console(level=0 if quiet else 1, json=json)
        precision = save_precision.value if save_precision else None
        converted(
            source, out, models(), console, form=to, precision=precision, like=like, family=family
        )

    return convert
