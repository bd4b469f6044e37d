"""The command `train sample`: its options, and how they are read."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import UsageError
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

_MOST_CELLS = 400
_WHAT = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE",
        help="LoRAs, as `a.safetensors b.safetensors:0.6`, embeddings, hypernetworks, or a whole "
        "model: folder, file, hub id",
    ),
]
_PROMPT = Annotated[
    list[str] | None, typer.Option(help="What to draw, as a line of a file of prompts; a row each")
]
_STRENGTH = Annotated[
    list[float] | None,
    typer.Option(
        help="Of all LoRAs, times their own; a column each; default: 1", min=-100, max=100
    ),
]
_SAMPLER = Annotated[
    str, typer.Option(help="How noise becomes a picture: as `Euler a`, `dpm++_2m_karras`")
]
_BASE = Annotated[
    str | None,
    typer.Option(
        help="Base model of LoRAs: folder, single file, hub id or `tiny`; default: the one that "
        "the run folder names"
    ),
]
_GRID = Annotated[
    str | None,
    typer.Option(metavar="ROWSxCOLUMNS", help="One prompt by so many seeds, plain, as `2x3`"),
]


def sample_command(models: Callable[[], Models]) -> Callable[..., int]:
    """Return the command.

    Args:
        models: Called for the models of this user.
    """

    def sample(
        files: _WHAT,
        *,
        prompt: _PROMPT = None,
        prompts: PROMPTS = None,
        negative: NEGATIVE = "",
        strength: _STRENGTH = None,
        seed: SEEDS = None,
        steps: DRAWING_STEPS = 20,
        guidance: GUIDANCE = 7.5,
        sampler: _SAMPLER = "ddim",
        base: _BASE = None,
        grid: _GRID = None,
        block_weights: BLOCKS = "",
        out: Annotated[
            Path | None, typer.Option(help="The sheet; default: beside FILE, with `-sheet.png`")
        ] = None,
        each: Annotated[
            Path | None, typer.Option(metavar="FOLDER", help="Write every picture alone, too")
        ] = None,
        clip_skip: LAYER = None,
        device: DEVICE = "auto",
        quiet: QUIET = False,
        json: JSON = False,
    ) -> int:
        """Draw LoRAs beside their base model from the same noise, or a whole model alone."""
        from train.samples.schedulers import named
        from train.samples.sheet import sample as drawn
        from train.samples.subject import subject_of
        from train.samples.wish import Wish, asked

        usual: dict[str, Any] = {"negative": negative, "steps": steps, "guidance": guidance}
        usual["sampler"] = named(sampler, "--sampler")
        weights = block_weights_of(block_weights)
        wanted = {"grid": _sides(grid), "block_weights": weights.weights}
        wanted["block_numbers"] = weights.numbers
        subject = subject_of(files)
        rows = asked(subject, prompt or [], prompts, usual)
        wish = Wish(rows, strength or [1.0], seed or [], base, device, each, clip_skip, **wanted)
        kind = "grid" if grid else "sheet"
        target = out or subject.folder / f"{subject.name}-{kind}.png"
        console = Console(level=0 if quiet else 1, json=json)
        return drawn(subject, wish, target, models(), console).code

    return sample


def _sides(text: str | None) -> Any:
    """Return (rows, columns) of a grid.

    Raises:
        UsageError: The text is none of this kind.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,3})[xX*](\d{1,3})", text.strip())
    sides = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 0 < sides[0] * sides[1] <= _MOST_CELLS:
        raise UsageError(
            f"`--grid {text}` is wrong", f"give rows and columns, as `2x3`; at most {_MOST_CELLS}"
        )
    return sides
