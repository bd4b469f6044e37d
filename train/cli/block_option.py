"""The option `--block-weights`: how strongly something acts in each block of a model."""

from typing import Annotated

import typer

from prep.runtime.errors import UsageError
from train.block_rates import rates_of

BLOCKS = Annotated[
    str,
    typer.Option(
        metavar="BLOCK=NUMBER,...", help="How strongly LoRAs act in blocks: as `IN=0.5,MID=0,TE=1`"
    ),
]


def weights_of(text: str) -> dict[str, float]:
    """Return the weight of each block that is named.

    Raises:
        UsageError: The text is none of this kind.
    """
    try:
        return rates_of(text)
    except ValueError as error:
        raise UsageError(
            f"`--block-weights {text}` is wrong at `{error}`",
            "give each block a number from 0 to 100, as `IN=0.5,MID=0,OUT03=1`",
        ) from None
