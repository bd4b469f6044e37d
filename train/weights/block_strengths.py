"""How strongly each block of a file acts, and that as bars of letters. Pure after the looking."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from prep.runtime.counts import counted
from train.weights.block_names import OTHER, block_of, order
from train.weights.contents import ADAPTER
from train.weights.findings import Inspection

_WIDTH = 40


class BlockStrength(NamedTuple):
    """One block of a file.

    Attributes:
        block: Its name; `other` for what has none.
        strength: Of an adapter the norm of all that it adds to the block's weights; of a model the
            root of the mean square of its weights.
        modules: Of an adapter; else how many tensors.
        numbers: How many it has.
    """

    block: str
    strength: float
    modules: int
    numbers: int


def strengths(found: Inspection) -> list[BlockStrength]:
    """Return the blocks of a file in the order in which a picture goes through them.

    None of a file that has no blocks: an embedding, or what is not known.
    """
    rows = _of_modules(found) if found.what.kind == ADAPTER else _of_tensors(found)
    if all(row.block == OTHER for row in rows):
        return []
    return sorted(rows, key=lambda row: order(row.block))


def _of_modules(found: Inspection) -> list[BlockStrength]:
    each: dict[str, list[str]] = {}
    for word in found.what.modules:
        each.setdefault(block_of(word), []).append(word)
    rows = []
    for block, words in each.items():
        squares = sum((found.norms[word] or 0.0) ** 2 for word in words)
        names = [n for word in words for n in found.what.modules[word].roles.values()]
        numbers = sum(found.source.count(name) for name in names)
        rows.append(BlockStrength(block, math.sqrt(squares), len(words), numbers))
    return rows


def _of_tensors(found: Inspection) -> list[BlockStrength]:
    left = {name for one in found.findings if one.kind == "leftover" for name in one.names}
    each: dict[str, list[str]] = {}
    for name in found.numbers:
        if name not in left:
            each.setdefault(block_of(name), []).append(name)
    rows = []
    for block, names in each.items():
        numbers = sum(found.numbers[name].total for name in names)
        squares = sum(found.numbers[name].squares for name in names)
        rows.append(BlockStrength(block, math.sqrt(squares / max(numbers, 1)), len(names), numbers))
    return rows


def bars(rows: Sequence[BlockStrength], of: str = "module") -> list[str]:
    """Return a line for each block with a bar as long as its strength, of the largest a full one.

    Args:
        of: What its number of modules counts.
    """
    finite = [row.strength for row in rows if math.isfinite(row.strength)]
    most = max(finite, default=0.0) or 1.0
    wide = max((len(row.block) for row in rows), default=0)
    return [
        f"  {row.block:<{wide}}  {_bar(row.strength / most)}  {_number(row.strength):<9}  "
        + counted(row.modules, of)
        for row in rows
    ]


def _number(strength: float) -> str:
    return "not known" if math.isnan(strength) else f"{strength:.4g}"


def _bar(share: float) -> str:
    if not math.isfinite(share):
        return f"{'?':<{_WIDTH}}"
    return f"{'#' * max(round(share * _WIDTH), 1 if share > 0 else 0):<{_WIDTH}}"


def as_json(rows: Sequence[BlockStrength]) -> list[Mapping[str, object]]:
    """Return the rows as an object each; what is no number is null."""
    return [
        row._asdict() | ({} if math.isfinite(row.strength) else {"strength": None}) for row in rows
    ]
