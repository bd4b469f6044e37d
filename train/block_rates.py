"""Learning rates of the blocks of a model over its usual one, as a person gives them: text.

`IN=0.5,MID=2,OUT03=0` gives the way down half the rate, the middle twice the rate, and leaves the
fourth block of the way up as it is. `ALL` stands for what no other word names.
"""

import math
from collections.abc import Iterable, Mapping

EVERY = "ALL"
_MOST = 100.0


def rates_of(text: str) -> dict[str, float]:
    """Return the factor of each word, in the order in which they are given.

    Raises:
        ValueError: The text is none of this kind; its message names the piece.
    """
    found: dict[str, float] = {}
    for piece in filter(None, (one.strip() for one in text.split(","))):
        word, _, number = (one.strip() for one in piece.partition("="))
        try:
            factor = float(number)
        except ValueError:
            factor = math.nan
        if not word or word in found or not 0 <= factor <= _MOST:
            raise ValueError(piece)
        found[word] = factor
    return found


def rate_of(block: str, rates: Mapping[str, float]) -> float:
    """Return the factor of a block: that of its own name, of its group (`IN`), of all, or 1."""
    for word in (block, group_of(block), EVERY):
        if word in rates:
            return rates[word]
    return 1.0


def group_of(block: str) -> str:
    """Return a block's name without its number: `IN` of `IN04`."""
    return block.rstrip("0123456789")


def strange(rates: Mapping[str, float], blocks: Iterable[str]) -> list[str]:
    """Return the words that name none of a model's blocks, in their order."""
    names = list(blocks)
    return [word for word in rates if word not in {EVERY, *names, *map(group_of, names)}]
