"""The command `train grid`: its options, and how they are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.seeds import MOST_SEED
from train.cli.block_option import BLOCKS, block_weights_of
from train.cli.config_options import JSON, QUIET

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
_SEED = Annotated[
    list[int] | None,
    typer.Option(help="A row each for prompts without `--d`; default: 0", min=0, max=MOST_SEED),
]
_SAMPLER = Annotated[
    list[str] | None, typer.Option(help="A row each for prompts without `--ss`; default: ddim")
]
_BASE = Annotated[
    str | None, typer.Option(help="Base model; default: the one that the run folder names")
]
_LAYER = Annotated[
    int | None,
    typer.Option(
        help="Layer of the text encoder, from the end; default: as it was trained", min=1, max=12
    ),
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
        prompts: Annotated[
            Path | None, typer.Option(help="File of prompts: .txt with one a line, .json or .toml")
        ] = None,
        negative: Annotated[str, typer.Option(help="What not to draw")] = "",
        strength: _STRENGTH = None,
        seed: _SEED = None,
        sampler: _SAMPLER = None,
        steps: Annotated[int, typer.Option(help="Steps of a drawing", min=1, max=1000)] = 20,
        guidance: Annotated[
            float, typer.Option(help="How strongly the text decides", min=0, max=100)
        ] = 7.5,
        base: _BASE = None,
        block_weights: BLOCKS = "",
        out: Annotated[
            Path | None,
            typer.Option(metavar="FOLDER", help="Its folder; default: `grid` beside the exports"),
        ] = None,
        clip_skip: _LAYER = None,
        device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
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
