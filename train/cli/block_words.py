"""Block weights among the words of a command."""

from prep.runtime.errors import UsageError
from train.block_rates import BlockWeights, weights_of


def block_weights(option: str, text: str) -> BlockWeights:
    """Return the weight of each block that is named, or of all by numbers.

    Raises:
        UsageError: The text is none of this kind.
    """
    try:
        return weights_of(text)
    except ValueError as error:
        raise UsageError(
            f"`{option} {text}` is wrong at `{error}`",
            "give each block a number from 0 to 100, as `IN=0.5,MID=0,OUT03=1`, or 17 or 26 "
            "numbers (XL: 12 or 20)",
        ) from None
