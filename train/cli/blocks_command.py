"""The command `train blocks`: its options, and how they are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import UsageError
from prep.runtime.seeds import MOST_SEED
from train.cli.block_option import block_weights_of
from train.cli.config_options import JSON, QUIET
from train.cli.drawing_options import DEVICE

_FILE = Annotated[Path, typer.Argument(metavar="FILE", help="A LoRA, or what is like one")]
_WEIGHTS = Annotated[
    str,
    typer.Option(
        metavar="BLOCK=NUMBER,...",
        help="Write a new file: blocks weighted, or left out by 0; as `IN=0.5,MID=0`, or as 17 or "
        "26 numbers (XL: 12 or 20)",
    ),
]
_OUT = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="The new file, or the sheet; default: NAME-blocks.safetensors or .png beside FILE",
    ),
]
_DRAW = Annotated[
    bool, typer.Option("--draw", help="Draw pictures without each block, and with it alone")
]
_BASE = Annotated[
    str | None, typer.Option(help="Base model to draw on; default: the one of the run folder")
]
_PROMPT = Annotated[
    str | None, typer.Option(help="What to draw, as a line of a file of prompts; else the trigger")
]


def blocks_command(models: Callable[[], Models]) -> Callable[..., None]:
    """Return the command.

    Args:
        models: Called for the models of this user.
    """

    def blocks(
        file: _FILE,
        *,
        block_weights: _WEIGHTS = "",
        out: _OUT = None,
        draw: _DRAW = False,
        base: _BASE = None,
        prompt: _PROMPT = None,
        seed: Annotated[int, typer.Option(help="Of the pictures", min=0, max=MOST_SEED)] = 0,
        steps: Annotated[int, typer.Option(help="Of a drawing", min=1, max=1000)] = 20,
        device: DEVICE = "auto",
        quiet: QUIET = False,
        json: JSON = False,
    ) -> None:
        """Tell, draw, or weigh what a LoRA does in each block of the model."""
        from train.weights.block_sheet import BlockWish, draw_blocks
        from train.weights.block_weights import adapter, tell_blocks, write_weighted

        console = Console(level=0 if quiet else 1, json=json)
        if draw and block_weights:
            raise UsageError(
                "`--draw` and `--block-weights` are two things to do", "give one after the other"
            )
        if not draw and (base is not None or prompt is not None):
            raise UsageError("`--base` and `--prompt` are for `--draw`", "leave them out")
        given = block_weights_of(block_weights)
        if draw:
            wish = BlockWish(prompt, seed, steps, base, device, out)
            draw_blocks(file, wish, models(), console)
        elif given.weights:
            write_weighted(adapter(file), given, out, console)
        elif out is not None:
            raise UsageError("`--out` is for `--block-weights` and `--draw`", "give one of them")
        else:
            tell_blocks(adapter(file), console)

    return blocks
