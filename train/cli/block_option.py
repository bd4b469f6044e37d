"""The option `--block-weights` and its like: how strongly something acts in blocks of a model."""

from typing import Annotated

import typer

from prep.runtime.errors import UsageError
from train.block_rates import BlockWeights, weights_of

BLOCKS = Annotated[
    str,
    typer.Option(
        metavar="BLOCK=NUMBER,...",
        help="How strongly LoRAs act in blocks: as `IN=0.5,MID=0,TE=1`, or as 17 or 26 numbers "
        "(XL: 12 or 20)",
    ),
]


def block_weights_of(text: str) -> BlockWeights:
    """Return the weight of each block that is named, or of all by numbers.

    Raises:
        UsageError: The text is none of this kind.
    """
    try:
        return weights_of(text)
    except ValueError as error:
        raise UsageError(
            f"`--block-weights {text}` is wrong at `{error}`",
            "give each block a number from 0 to 100, as `IN=0.5,MID=0,OUT03=1`, or 17 or 26 "
            "numbers (XL: 12 or 20)",
        ) from None
