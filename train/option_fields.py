"""Options of a person: fields of frozen records, each with its help line and its limits."""

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import Field, field, fields, replace
from typing import Any, Protocol, TypeVar

from prep.runtime.yaml_nodes import as_yaml
from train import spellings

T = TypeVar("T")


class Options(Protocol):
    """What one method alone lets a person choose: a frozen dataclass of fields by `option`."""

    def deciding(self) -> Mapping[str, Any]:
        """Return what decides the bytes of the export's weights, after defaults."""


def option(
    default: Any,
    help: str,  # noqa: A002
    decides: bool = True,
    later: bool = False,
    also: str = "",
    **limits: Any,
) -> Any:
    """Describe a field of a record of options.

    Args:
        help: Its line in `--help`.
        decides: Whether it decides the export's bytes. What changes only rounding, speed or
            places does not.
        later: Whether recipes were made before it was there: it enters none at its default, so
            that those runs go on.
        also: How else a person may type it.
        limits: Of a number `least` and `most`, the smallest and the largest value; of a word
            `words`, the values there are, and `known_as`, how else they are spelt -> ours.
    """
    facts = {"help": help, "decides": decides, "later": later, "also": also, "limits": limits}
    return field(default=default, metadata=facts)


def deciding(record: Any) -> dict[str, Any]:
    """Return the fields of a record of options that decide the bytes of the export's weights."""
    return {
        item.name: value
        for item in described(record)
        if item.metadata["decides"]
        and ((value := getattr(record, item.name)) != item.default or not item.metadata["later"])
    }


def spelled(record: T) -> T:
    """Return a record whose words are spelt as ours are: a person may use kohya's spelling."""
    found = {}
    for item in fields(record):  # type: ignore[arg-type]
        value, limits = getattr(record, item.name), item.metadata.get("limits", {})
        if "words" in limits and isinstance(value, str):
            spelt = {word: word for word in limits["words"]} | limits.get("known_as", {})
            found[item.name] = spelt.get(spellings.ours(item.name, value, spelt), value)
    return replace(record, **found)  # type: ignore[type-var]


def mistakes(record: Any) -> Iterator[tuple[str, str | None]]:
    """Yield message and hint of every value that is out of its limits, in the order of fields."""
    for item in described(record):
        value = getattr(record, item.name)
        hint = None if value is None else advice(value, item.metadata["limits"])
        if hint:
            other = spellings.nearest(item.name, str(value))
            hint = f"the nearest here is `{other}`; {hint}" if other else hint
            shown = f"`{value}`" if isinstance(value, str) else as_yaml(value)
            yield f"`{flag(item.name)}` is {shown}", hint


def described(record: Any) -> "Iterator[Field[Any]]":
    """Yield the fields of a record of options, or of its class, that a person can give."""
    return (item for item in fields(record) if item.metadata)


def flag(name: str) -> str:
    """Return a field's name as a person types it: `--learning-rate`."""
    return f"--{name.replace('_', '-')}"


def advice(value: Any, limits: Mapping[str, Any]) -> str | None:
    """Return what to give instead of a value that is out of its limits; None for a good one."""
    if "words" in limits:
        return (
            None if value in limits["words"] else f"known: {', '.join(map(str, limits['words']))}"
        )
    if "least" not in limits or limits["least"] <= value <= limits["most"]:  # NaN is neither
        return None
    kind = "a whole number" if isinstance(value, int) else "a number"
    return f"give {kind} from {limits['least']} to {limits['most']}"


def as_float32(number: float) -> float:
    """Return the float32 number that is nearest, ties to even; inf where it is too large."""
    try:
        (found,) = struct.unpack("<f", struct.pack("<f", number))
    except OverflowError:
        return math.copysign(math.inf, number)
    return float(found)
