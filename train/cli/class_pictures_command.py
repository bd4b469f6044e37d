"""The command `train class-pictures`: its options, and how they are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import UsageError
from prep.runtime.seeds import MOST_SEED
from train.cli.config_options import JSON, QUIET
from train.cli.drawing_options import DEVICE, DRAWING_STEPS, GUIDANCE, NEGATIVE

_ENDINGS = (".txt", ".caption")
_MOST_SIDE = 8192
_WHERE = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Of the class pictures, as `./pictures/reg/1_girl`")
]
_PROMPT = Annotated[
    str | None,
    typer.Option(help="What to draw, as a line of a file of prompts; default: the folder's words"),
]
_COUNT = Annotated[
    int,
    typer.Option(
        help="Pictures that FOLDER is to have, those there included", min=1, max=1_000_000
    ),
]
_SIDE = Annotated[
    int,
    typer.Option(help="In px; default: the base model's own", min=0, max=_MOST_SIDE, metavar="PX"),
]
_ENDING = Annotated[str, typer.Option(help="Of the caption beside each: .txt or .caption")]
_SAMPLER = Annotated[
    str, typer.Option(help="How noise becomes a picture: as `Euler a`, `dpm++_2m_karras`")
]
_BASE = Annotated[str, typer.Option(help="What draws: folder, single file, hub id or `tiny`")]


def class_pictures_command(models: Callable[[], Models]) -> Callable[..., int]:
    """Return the command.

    Args:
        models: Called for the models of this user.
    """

    def class_pictures(
        folder: _WHERE,
        *,
        base: _BASE,
        prompt: _PROMPT = None,
        count: _COUNT = 200,
        negative: NEGATIVE = "",
        steps: DRAWING_STEPS = 20,
        guidance: GUIDANCE = 7.5,
        sampler: _SAMPLER = "ddim",
        width: _SIDE = 0,
        height: _SIDE = 0,
        seed: Annotated[
            int, typer.Option(help="Decides the noise of all", min=0, max=MOST_SEED)
        ] = 0,
        clip_skip: Annotated[
            int, typer.Option(help="Layer of the text encoder, from the end", min=1, max=12)
        ] = 1,
        ending: _ENDING = ".txt",
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Say what would be drawn; change nothing")
        ] = False,
        device: DEVICE = "auto",
        quiet: QUIET = False,
        json: JSON = False,
    ) -> int:
        """Draw pictures of a class by the base model, where a folder has fewer than it should."""
        from train.samples import class_pictures as drawing
        from train.samples.schedulers import named

        if ending not in _ENDINGS:
            raise UsageError(f"`--ending` is `{ending}`", f"known: {', '.join(_ENDINGS)}")
        for option, side in (("--width", width), ("--height", height)):
            if side % 8:
                raise UsageError(f"`{option}` is {side}", "give a multiple of 8")
        usual: dict[str, Any] = {
            "negative": negative, "steps": steps, "guidance": guidance, "seed": seed,
            "width": width, "height": height, "sampler": named(sampler, "--sampler"),
        }  # fmt: skip
        asked = drawing.class_prompt(folder, prompt, usual)
        wish = drawing.ClassWish(folder, count, asked, base, ending, clip_skip, device)
        console = Console(level=0 if quiet else 1, json=json)
        if dry_run:
            drawing.foreseen(wish, models(), console)
            return 0
        return drawing.class_pictures(wish, models(), console)

    return class_pictures
