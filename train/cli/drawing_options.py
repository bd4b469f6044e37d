"""Options that commands which draw pictures have alike."""

from pathlib import Path
from typing import Annotated

import typer

from prep.runtime.seeds import MOST_SEED

PROMPTS = Annotated[
    Path | None, typer.Option(help="File of prompts: .txt with one a line, .json or .toml")
]
NEGATIVE = Annotated[str, typer.Option(help="What not to draw")]
SEEDS = Annotated[
    list[int] | None,
    typer.Option(help="A row each for prompts without `--d`; default: 0", min=0, max=MOST_SEED),
]
DRAWING_STEPS = Annotated[int, typer.Option(help="Steps of a drawing", min=1, max=1000)]
GUIDANCE = Annotated[float, typer.Option(help="How strongly the text decides", min=0, max=100)]
LAYER = Annotated[
    int | None,
    typer.Option(
        help="Layer of the text encoder, from the end; default: as it was trained", min=1, max=12
    ),
]
DEVICE = Annotated[str, typer.Option(help="auto, cpu or cuda")]
