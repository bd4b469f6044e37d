"""What a person says of the blocks of a model, as text: learning rates, ranks, alphas, weights.

`IN=0.5,MID=2,OUT03=0` gives the way down half the rate, the middle twice the rate, and leaves the
fourth block of the way up as it is. `ALL` stands for what no other word names.
"""

import math
from collections.abc import Iterable, Mapping

EVERY = "ALL"
_MOST = 100.0


def rates_of(text: str, most: float = _MOST) -> dict[str, float]:
    """Return the number of each word, in the order in which they are given.

    Args:
        most: The largest that a number may be.

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
        if not word or word in found or not 0 <= factor <= most:
            raise ValueError(piece)
        found[word] = factor
    return found


def whole_rates_of(text: str, most: int) -> dict[str, int]:
    """Return the whole number of each word, as `rates_of` does.

    Raises:
        ValueError: As `rates_of`; or a number is not whole.
    """
    found = rates_of(text, most)
    for word, number in found.items():
        if number != int(number):
            raise ValueError(f"{word}={number:g}")
    return {word: int(number) for word, number in found.items()}


def rate_of(block: str, rates: Mapping[str, float], usual: float = 1.0) -> float:
    """Return the number of a block: that of its own name, of its group (`IN`), of all, or `usual`.

    A group goes before all, and a block's own name before its group.
    """
    for word in (block, group_of(block), EVERY):
        if word in rates:
            return rates[word]
    return usual


def group_of(block: str) -> str:
    """Return a block's name without its number: `IN` of `IN04`."""
    return block.rstrip("0123456789")


def strange(rates: Iterable[str], blocks: Iterable[str]) -> list[str]:
    """Return the words that name none of a model's blocks, in their order."""
    names = list(blocks)
    return [word for word in rates if word not in {EVERY, *names, *map(group_of, names)}]
