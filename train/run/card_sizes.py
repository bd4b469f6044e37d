"""Which change of settings would make a training fit a GPU of the usual sizes. Numbers only."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from prep.runtime.yaml_nodes import as_yaml
from train.config import Config
from train.option_fields import flag

GIB = 1 << 30
SIZES = (8, 12, 16, 24)  # GiB
_TAKEN = 0.8  # GiB of a card that driver and screen have


def changes(config: Config) -> Iterator[dict[str, Any]]:
    """Yield changes of settings that need less and less memory; the first one changes nothing.

    Half precision costs least, then the second pass through the network; samples in more passes
    and an optimizer with smaller numbers come last. Each change holds those before it.
    """
    found: dict[str, Any] = {}
    yield dict(found)
    steps: list[tuple[bool, dict[str, Any]]] = [
        (config.precision == "fp32", {"precision": "bf16"}),
        (not config.gradient_checkpointing, {"gradient_checkpointing": True}),
        (config.batch > 1, {"batch": 1, "accumulate": config.batch * config.accumulate}),
        (config.optimizer == "adamw", {"optimizer": "adamw8bit"}),
    ]
    for fits, change in steps:
        if fits:
            found |= change
            yield dict(found)


def cards(config: Config, peak: Callable[[Config], int]) -> dict[int, list[str] | None]:
    """Return what to change for a card of each of `SIZES`, as it is typed; None: nothing is enough.

    Args:
        peak: Settings -> the most bytes that the training takes at once; asked as seldom as can be.
    """
    left = changes(config)
    change: Mapping[str, Any] | None = next(left)
    need = peak(config)
    found: dict[int, list[str] | None] = {}
    for size in reversed(SIZES):
        while change is not None and need > room(size * GIB):
            change = next(left, None)
            need = peak(replace(config, **change)) if change is not None else need
        found[size] = None if change is None else typed(change)
    return dict(reversed(found.items()))


def room(size: int) -> int:
    """Return the bytes of a card of `size` bytes that a training can have."""
    return size - round(_TAKEN * GIB)


def memory_lines(memory: Mapping[str, Any]) -> Iterator[str]:
    """Yield for a person how much memory a training takes, and which cards have it.

    Args:
        memory: See `memory_question.answer`.
    """
    parts = ("peak", "weights", "learning", "activations")
    peak, weights, learning, activations = (_amount(memory[name]) for name in parts)
    yield (
        f"memory: {peak} at most; weights {weights}, gradients and optimizer {learning}, "
        f"activations {activations}"
    )
    told: list[str] = []
    for size, change in memory["cards"].items():
        words = "never" if change is None else f"with `{' '.join(change)}`"
        told.append(f"{size} GiB {words if change != [] else 'as it is'}")
        if change == []:
            break  # larger ones need no change either
    yield f"  fits a GPU of {', '.join(told)}"


def card_note(memory: Mapping[str, Any]) -> str | None:
    """Return what to know where the card that is here has less memory than the training takes."""
    there, peak = memory.get("there", 0), memory.get("peak", 0)
    if not there or peak <= room(there):
        return None
    return (
        f"the training takes about {_amount(peak)}, and the GPU has {_amount(there)}: see above "
        "what makes it fit"
    )


def typed(change: Mapping[str, Any]) -> list[str]:
    """Return options as a person types them."""
    return [
        flag(name) if value is True else f"{flag(name)} {as_yaml(value)}"
        for name, value in change.items()
    ]


def _amount(size: int) -> str:
    """Return a number of bytes for a person."""
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / (1 << 20):.0f} MiB"
