"""What a file that this program made of others was made of: `train merge`, `resize`, `extract`.

What they write: train/convert/made_from.py. It is read as anything may stand in it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from prep.runtime.counts import counted
from train.adapters.lora_metadata import CERTIFICATES, MADE_FROM, WEIGHTED
from train.weights.hidden_words import digest

_DONE: Mapping[str, str] = {"merge": "merged", "resize": "resized", "extract": "extracted"}
_NUMBERS: Mapping[str, str] = {
    "rank": "rank", "conv_rank": "rank of kernels", "energy": "energy", "clamp": "clamp",
}  # fmt: skip


def lines(said: Mapping[str, str], private: bool) -> Iterator[str]:
    """Yield the command, its numbers, and the sources, without their names where private."""
    made = _loaded(said, MADE_FROM)
    if _is_whole(made):
        numbers = [f"{told} {made[word]:g}" for word, told in _NUMBERS.items() if _is(made, word)]
        sources = made["sources"]
        how = ", ".join([f"{_DONE[made['command']]} of {counted(len(sources), 'file')}", *numbers])
        yield f"{how}:"
        for row in sources:
            yield f"  {_source(row, private)}"
    if weights := said.get(WEIGHTED):
        yield f"its blocks were weighted{'' if private else f': {weights}'}"


def no_certificate(said: Mapping[str, str]) -> str:
    """Return what is told of a file that has no certificate of its own."""
    each = _loaded(said, CERTIFICATES)
    if isinstance(each, list) and each:
        return f"certificates of its sources: {len(each)}, in its metadata"
    if _is_whole(_loaded(said, MADE_FROM)) or WEIGHTED in said:
        return "no certificate: what it was made of has none"
    return "no certificate: another program made it"


def _source(row: Mapping[str, Any], private: bool) -> str:
    name = digest(row["name"]) if private else row["name"]
    weight = f" x {row['weight']:g}" if _is(row, "weight") else ""
    recipe = row.get("recipe")
    known = f", recipe {recipe}" if isinstance(recipe, str) and not private else ""
    return f"{name}{weight}{known}"


def _is(row: Mapping[str, Any], word: str) -> bool:
    """Return whether a field is a number."""
    return type(row.get(word)) in (int, float)


def _is_whole(made: Any) -> bool:
    """Return whether it is what a command of ours writes: its name, and a row for each source."""
    if not isinstance(made, dict) or str(made.get("command")) not in _DONE:
        return False
    sources = made.get("sources")
    return isinstance(sources, list) and all(
        isinstance(row, dict) and isinstance(row.get("name"), str) for row in sources
    )


def _loaded(said: Mapping[str, str], word: str) -> Any:
    try:
        return json.loads(said.get(word, "null"))
    except (ValueError, RecursionError):
        return None
