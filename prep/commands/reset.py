"""`prep reset`: what a person wrote for a sample is the machine's again."""

import os
from pathlib import Path
from typing import Any

from prep.engine.inventory.inventory import INHERITED
from prep.engine.opening import locked_session
from prep.engine.run import remember
from prep.engine.session import Context, Leg, Order
from prep.runtime.errors import ConfigError, nearest
from prep.stage import Shape, Stage


def give_back(folder: Path, key: str, place: Any, context: Context) -> int:
    """Give what a person wrote for a sample back to the machine, and forget what failed."""
    with locked_session(Order(place, ()), context) as leg:
        own = [at for at, edit in leg.world.edits.items() if edit.source != INHERITED]
        fields = [field for at, field in own if at == key]
        stages = _failed(leg, key)
        if not fields and not stages:
            raise _nothing_to_reset(leg, key, {at for at, _ in own})
        remember(leg)
        with leg.ledger.batch():
            for field in fields:
                leg.ledger.edit(key, field, None)
            for name in stages:
                leg.ledger.forget(name, [key])
    if fields:
        context.console.say(f"`{key}` is the machine's again; the next run writes it anew")
    if stages:
        context.console.say(f"`{key}`: the next run tries again: {', '.join(stages)}")
    return 0


def _nothing_to_reset(leg: Leg, key: str, known: set[str]) -> ConfigError:
    if any(at == key for at, _ in leg.world.edits):
        told = leg.world.lineage[key]
        folder = os.path.relpath(leg.world.place.root / told["root"])
        return ConfigError(
            f"the words of `{key}` are those of its source `{told['key']}`",
            f"give that one back: `prep reset {told['key']} --in {folder}`",
        )
    return ConfigError(
        f"nothing of `{key}` was written by a person, and nothing failed",
        nearest(key, known) if known else "there is nothing to give back in this folder",
    )


def _failed(leg: Leg, key: str) -> list[str]:
    """Return the stages that failed for a sample, and those whose results they were given.

    An answer that no caption could be made of is asked for again with its caption.
    """
    stages = leg.context.stages.values()
    left = [stage for stage in stages if _state(leg, stage, key) == "failed"]
    names: dict[str, None] = {}
    while left:
        stage = left.pop()
        names[stage.name] = None
        given = (leg.values.producers.get(name) for name, optional in stage.needs() if not optional)
        left += [one for one in given if one is not None and _state(leg, one, key)]
    return sorted(names)


def _state(leg: Leg, stage: Stage, key: str) -> str:
    """Return made, rejected or failed; empty where a stage did nothing for this sample alone."""
    made = leg.values.made(stage.name).get(key) if stage.shape is Shape.MAP else None
    return made.state if made else ""
