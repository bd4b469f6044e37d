"""The command `train what-if`: its options, and how they are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import UsageError
from train.cli.config_options import JSON, QUIET
from train.cli.drawing_options import DEVICE, DRAWING_STEPS, GUIDANCE
from train.config import MOST_STEPS

_META = Annotated[Path, typer.Argument(metavar="META", help="Dataset file that a run trained on")]
_DROP = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY", help="A picture that is to teach nothing, or a pattern of some"),
]
_RETAG = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY:+TAG,-TAG", help="Tags that a picture, or those of a pattern, gets and loses"
    ),
]
_RUN = Annotated[
    Path | None,
    typer.Option(metavar="RUN", help="The run; default: the newest in `runs` of this dataset"),
]
_FROM = Annotated[
    int | None,
    typer.Option(
        "--from", metavar="STEP", help="Checkpoint to go on from; default: the oldest one", min=1,
        max=MOST_STEPS,
    ),
]  # fmt: skip
_CHANCE = Annotated[
    int,
    typer.Option(help="Times that the part is trained to know what chance does", min=1, max=100),
]
_TAGGER = Annotated[
    str | None,
    typer.Option(help="Who tells what is drawn, as `prep tag --model` names it; default: nobody"),
]
_WATCH = Annotated[
    list[str] | None,
    typer.Option(help="A tag to look for in what is drawn, beside those of the edits"),
]
_PROMPT = Annotated[
    list[str] | None,
    typer.Option(help="What to draw; default: the edited tags, or the texts of what is dropped"),
]


def what_if_command(models: Callable[[], Models]) -> Callable[..., int]:
    """Return the command.

    Args:
        models: Called for the models of this user.
    """

    def what_if(
        meta: _META,
        *,
        drop: _DROP = None,
        retag: _RETAG = None,
        run: _RUN = None,
        first: _FROM = None,
        chance: _CHANCE = 2,
        tagger: _TAGGER = None,
        prompt: _PROMPT = None,
        watch: _WATCH = None,
        pictures: Annotated[int, typer.Option(help="Of each text", min=1, max=1000)] = 4,
        steps: DRAWING_STEPS = 20,
        guidance: GUIDANCE = 7.5,
        sampler: Annotated[str, typer.Option(help="How noise becomes a picture")] = "ddim",
        out: Annotated[
            Path | None, typer.Option(metavar="FOLDER", help="Default: `what-if` in the run folder")
        ] = None,
        device: DEVICE = "auto",
        quiet: QUIET = False,
        json: JSON = False,
    ) -> int:
        """Train the last part of a run again with an edit of its pictures or tags, and without."""
        from train.again.edits import DataEdit, retag_of
        from train.again.what_if import WhatIf
        from train.again.what_if import what_if as compared
        from train.samples.prompts import Prompt
        from train.samples.schedulers import named

        edits = [*(DataEdit(key, drop=True) for key in drop or []), *map(retag_of, retag or [])]
        if not edits:
            raise UsageError("no edit is given", "give `--drop KEY` or `--retag KEY:+tag,-tag`")
        usual = Prompt("", steps=steps, guidance=guidance, sampler=named(sampler, "--sampler"))
        wish = WhatIf(
            edits, run, step=first, chance=chance, pictures=pictures, usual=usual,
            texts=prompt or [], watched=watch or [], tagger=tagger, out=out, device=device,
        )  # fmt: skip
        compared(meta, wish, models(), Console(level=0 if quiet else 1, json=json))
        return 0

    return what_if
