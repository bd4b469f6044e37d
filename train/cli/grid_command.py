"""The command `train grid`: its options, and how they are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from prep.models.locate import Models
from prep.runtime.console import Console
from train.cli.block_option import BLOCKS, block_weights_of
from train.cli.config_options import JSON, QUIET
from train.cli.drawing_options import (
    DEVICE,
    DRAWING_STEPS,
    GUIDANCE,
    LAYER,
    NEGATIVE,
    PROMPTS,
    SEEDS,
)

_WHAT = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN|FILE", help="Run folders, for all their exports, or files and models"
    ),
]
_PROMPT = Annotated[
    list[str] | None,
    typer.Option(help="What to draw, as a line of a file of prompts; `{a|b}` draws both"),
]
_STRENGTH = Annotated[
    list[float] | None,
    typer.Option(help="A column each for every export; default: 1", min=-100, max=100),
]
_SAMPLER = Annotated[
    list[str] | None, typer.Option(help="A row each for prompts without `--ss`; default: ddim")
]
_BASE = Annotated[
    str | None, typer.Option(help="Base model; default: the one that the run folder names")
]


def grid_command(models: Callable[[], Models]) -> Callable[..., int]:
    """Return the command.

    Args:
        models: Called for the models of this user.
    """

    def grid(
        files: _WHAT,
        *,
        prompt: _PROMPT = None,
        prompts: PROMPTS = None,
        negative: NEGATIVE = "",
        strength: _STRENGTH = None,
        seed: SEEDS = None,
        sampler: _SAMPLER = None,
        steps: DRAWING_STEPS = 20,
        guidance: GUIDANCE = 7.5,
        base: _BASE = None,
        block_weights: BLOCKS = "",
        out: Annotated[
            Path | None,
            typer.Option(metavar="FOLDER", help="Its folder; default: `grid` beside the exports"),
        ] = None,
        clip_skip: LAYER = None,
        device: DEVICE = "auto",
        quiet: QUIET = False,
        json: JSON = False,
    ) -> int:
        """Compare exports beside their base model: one page and one picture, cell by cell."""
        from train.grid.draw_grid import grid as drawn
        from train.grid.grid_wish import GridWish
        from train.samples.schedulers import named

        usual: dict[str, Any] = {"negative": negative, "steps": steps, "guidance": guidance}
        weights = block_weights_of(block_weights)
        samplers = [named(one, "--sampler") for one in sampler or ["ddim"]]
        wish = GridWish(
            prompt or [], prompts, usual, samplers, strength or [1.0], seed or [], base, device,
            clip_skip, weights.weights, weights.numbers,
        )  # fmt: skip
        console = Console(level=0 if quiet else 1, json=json)
        return drawn(files, wish, out, models(), console).code

    return grid
