"""Propose which pictures repeat another one. Nothing is deleted: a person accepts the proposal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prep.stage import PersonsField, Shape, param, stage

_BITS = 64


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    distance: int = param(0, "most bits of 64 in which two pictures' hashes may differ", ge=0, le=7)


@stage(
    version=1,
    reads=("looks", "lineage?"),
    writes="duplicate_of",
    params=Params,
    done="compared",
    shown=lambda other: f"it repeats {other}" if other else "",
    shape=Shape.DECISION,
    fields=(PersonsField("keep", drops="no"),),
)
def duplicates(samples: Mapping[str, tuple[Any, Any]], params: Params) -> dict[str, str | None]:
    """Propose which pictures repeat another; tags.csv shows it, `keep` = no accepts it.

    For each key the larger picture that it repeats, or None; of equal size, the first key stays.
    Pictures derived from one source by different means (a flip) are never proposed.
    """
    order = sorted(samples, key=lambda key: (-_area(samples[key][0]), key))
    rank = {key: place for place, key in enumerate(order)}
    seen: dict[tuple[int, int], list[str]] = {}
    answers: dict[str, str | None] = {}
    for key in order:
        bands = _bands(int(samples[key][0]["hash"], 16), params.distance + 1)
        near = {other for band in bands for other in seen.get(band, ())}
        repeated = [o for o in near if _repeats(samples[key], samples[o], params.distance)]
        answers[key] = min(repeated, key=rank.__getitem__) if repeated else None
        if not repeated:
            for band in bands:
                seen.setdefault(band, []).append(key)
    return answers


def _bands(bits: int, count: int) -> list[tuple[int, int]]:
    """Cut a hash into bands; of two that differ in fewer than `count` bits, one band is equal."""
    width = _BITS // count
    whole = [(place, bits >> width * place & (1 << width) - 1) for place in range(count - 1)]
    return [*whole, (count - 1, bits >> width * (count - 1))]


def _repeats(one: tuple[Any, Any], other: tuple[Any, Any], distance: int) -> bool:
    (looks, lineage), (others, origin) = one, other
    if lineage and origin and lineage["key"] == origin["key"]:
        return False
    differ = (int(looks["hash"], 16) ^ int(others["hash"], 16)).bit_count()
    (width, height), (across, down) = looks["size"], others["size"]
    return differ <= distance and abs(width * down - across * height) * 50 <= width * down


def _area(looks: Mapping[str, Any]) -> int:
    width, height = looks["size"]
    return int(width * height)
