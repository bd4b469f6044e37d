"""The command `train pick`: its options, and how they are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.seeds import MOST_SEED
from train.cli.config_options import JSON, QUIET
from train.cli.drawing_options import DEVICE, DRAWING_STEPS, GUIDANCE, NEGATIVE

_RUN = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run")]
_TAGGER = Annotated[
    str | None,
    typer.Option(
        help="Who judges what exports draw, as `prep tag --model` names it; default: nothing is "
        "drawn, and losses alone decide"
    ),
]
_PICTURES = Annotated[
    int, typer.Option(help="About how many pictures of each export", min=2, max=1000)
]


def pick_command(models: Callable[[], Models]) -> Callable[..., int]:
    """Return the command.

    Args:
        models: Called for the models of this user.
    """

    def pick(
        run: _RUN,
        *,
        tagger: _TAGGER = None,
        pictures: _PICTURES = 12,
        negative: NEGATIVE = "",
        steps: DRAWING_STEPS = 20,
        guidance: GUIDANCE = 7.5,
        sampler: Annotated[str, typer.Option(help="How noise becomes a picture")] = "ddim",
        seed: Annotated[
            int, typer.Option(help="Decides which texts are drawn", min=0, max=MOST_SEED)
        ] = 0,
        device: DEVICE = "auto",
        quiet: QUIET = False,
        json: JSON = False,
    ) -> int:
        """Recommend one export of a run, and say why in three sentences and one plot."""
        from train.pick.pick import PickWish
        from train.pick.pick import pick as recommended
        from train.samples.prompts import Prompt
        from train.samples.schedulers import named

        usual = Prompt(
            "", negative, steps=steps, guidance=guidance, sampler=named(sampler, "--sampler")
        )
        wish = PickWish(tagger, pictures, usual, seed, device)
        recommended(run, wish, models(), Console(level=0 if quiet else 1, json=json))
        return 0

    return pick
