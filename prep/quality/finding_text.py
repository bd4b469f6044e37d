"""What is found of pictures, as plain rows, and as a person reads it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prep.quality.checks import PROPOSALS, Check, Told

Row = dict[str, Any]


def rows(found: Iterable[tuple[Check, Told]]) -> list[Row] | None:
    """Return what is kept of a picture's findings: kind, propose, why and box; None for none."""
    return [
        {"kind": check.kind, "propose": check.propose, "why": told.why, "box": _plain(told.box)}
        for check, told in found
    ] or None


def proposed(found: Sequence[Row] | None) -> str:
    """Return what stands under `keep`: `drop: torn; look: blur, text`; the strongest first."""
    each = ((word, [one["kind"] for one in found or () if one["propose"] == word])
            for word in PROPOSALS)  # fmt: skip
    return "; ".join(f"{word}: {', '.join(kinds)}" for word, kinds in each if kinds)


def sentence(found: Sequence[Row] | None) -> str:
    """Return what `prep why` tells of a picture."""
    return "; ".join(f"{one['propose']} ({one['kind']}): {one['why']}" for one in found or ())


def summary(every: Mapping[str, Sequence[Row] | None]) -> str:
    """Return how many of what was found: `to drop: 3 torn, 2 too small; to look at: 1 text`."""
    counts: dict[str, Counter[str]] = {word: Counter() for word in PROPOSALS}
    for found in every.values():
        for one in found or ():
            counts[one["propose"]][one["kind"]] += 1
    parts = []
    for word, kinds in counts.items():
        if kinds:
            each = ", ".join(f"{num} {kind}" for kind, num in sorted(kinds.items()))
            parts.append(f"to {word}{' at' if word == 'look' else ''}: {each}")
    return "; ".join(parts) or ("nothing is wrong" if every else "")


def _plain(box: tuple[int, int, int, int] | None) -> list[int] | None:
    return None if box is None else list(box)
