"""What a person says of the blocks of a model, as text: learning rates, ranks, alphas, weights.

`IN=0.5,MID=2,OUT03=0` gives the way down half the rate, the middle twice the rate, and leaves the
fourth block of the way up as it is. `ALL` stands for what no other word names. How strongly an
adapter acts in blocks is said likewise, or by 12, 17, 20 or 26 numbers, as WebUIs take them.
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

EVERY = "ALL"
_MOST = 100.0
TEXT = "TE"  # of all text encoders: `BASE` in WebUIs


def _ways(downs: Iterable[int], ups: Iterable[int]) -> tuple[str, ...]:
    return (TEXT, *(f"IN{n:02}" for n in downs), "MID", *(f"OUT{n:02}" for n in ups))


# How many numbers there are -> what each of them weighs: 17 and 26 of 1.x and 2.x, 12 and 20 of XL.
# Source: hako-mikan/sd-webui-lora-block-weight, scripts/lora_block_weight.py, BLOCKID12 and so on;
# what a short list does not name gets 0: its `to26`. What is no block there keeps its strength.
_ALL_SD, _ALL_XL = _ways(range(12), range(12)), _ways(range(9), range(9))
NOTATIONS: Mapping[int, tuple[str, ...]] = {
    17: _ways((1, 2, 4, 5, 7, 8), range(3, 12)),
    26: _ALL_SD,
    12: _ways((4, 5, 7, 8), range(6)),
    20: _ALL_XL,
}


class BlockWeights(NamedTuple):
    """How strongly an adapter acts in blocks.

    Attributes:
        weights: Block or group of blocks -> its factor.
        numbers: How many numbers it was said by; 0 where blocks were named.
    """

    weights: Mapping[str, float]
    numbers: int = 0

    def instead(self, blocks: Iterable[str]) -> str:
        """Return what to give for a model with such blocks; empty where its numbers fit."""
        own = notations_of(blocks)
        if not self.numbers or self.numbers in own:
            return ""
        return f"give {own[0]} or {own[1]} numbers" if own else "name blocks, as `JOINT03=0.5`"


def notations_of(blocks: Iterable[str]) -> tuple[int, ...]:
    """Return how many numbers weigh the blocks of a model; none where there is no such way."""
    ups = [block for block in blocks if block.startswith("OUT")]
    return {12: (17, 26), 9: (12, 20)}.get(len(ups), ())


def weights_of(text: str) -> BlockWeights:
    """Return block weights as a person gives them: names with numbers, or numbers alone.

    Raises:
        ValueError: The text is none of this kind; its message names the piece.
    """
    pieces = [one.strip() for one in text.split(",")]
    if not text.strip() or any("=" in one for one in pieces) or len(pieces) == 1:
        return BlockWeights(rates_of(text))
    if len(pieces) not in NOTATIONS:
        raise ValueError(f"{len(pieces)} numbers")
    found = dict.fromkeys(_ALL_SD if len(pieces) in (17, 26) else _ALL_XL, 0.0)
    for block, piece in zip(NOTATIONS[len(pieces)], pieces, strict=True):
        found |= rates_of(f"{block}={piece}")
    return BlockWeights(found, len(pieces))


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
