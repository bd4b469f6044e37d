"""`prep reset`: what a person wrote for a sample is the machine's again."""

import os

from prep.engine.explain_sample import commands_of
from prep.engine.inventory.inventory import INHERITED
from prep.engine.inventory.location import Location
from prep.engine.opening import locked_session
from prep.engine.runner import remember
from prep.engine.session import Context, Job, Session
from prep.runtime.errors import ConfigError, nearest
from prep.stage import Shape, Stage


def give_back(key: str, location: Location, context: Context) -> int:
    """Give what a person wrote for a sample back to the machine, and forget what failed."""
    with locked_session(Job(location, ()), context) as session:
        own = [at for at, edit in session.written.edits.items() if edit.source != INHERITED]
        fields = [field for at, field in own if at == key]
        stages = _failed(session, key)
        if not fields and not stages:
            raise _nothing_to_reset(session, key, {at for at, _ in own})
        remember(session)
        with session.ledger.batch():
            for field in fields:
                session.edit((key, field), None)
            for name in stages:
                session.ledger.forget(name, [key])
    if fields:
        context.console.say(f"`{key}` is the machine's again; the next run writes it anew")
    if stages:
        commands = set(commands_of([context.stages[name] for name in stages]).values())
        context.console.say(f"`{key}`: the next run tries again: {', '.join(sorted(commands))}")
    return 0


def _nothing_to_reset(session: Session, key: str, known: set[str]) -> ConfigError:
    if any(at == key for at, _ in session.written.edits):
        told = session.inventory.lineage[key]
        folder = os.path.relpath(session.inventory.location.root / told["root"])
        return ConfigError(
            f"the words of `{key}` are those of its source `{told['key']}`",
            f"give that one back: `prep reset {told['key']} --in {folder}`",
        )
    return ConfigError(
        f"nothing of `{key}` was written by a person, and nothing failed",
        nearest(key, known) if known else "there is nothing to give back in this folder",
    )


def _failed(session: Session, key: str) -> list[str]:
    """Return the stages that failed for a sample, and those whose results they were given.

    An answer that no caption could be made of is asked for again with its caption.
    """
    stages = session.context.stages.values()
    left = [stage for stage in stages if _state(session, stage, key) == "failed"]
    names: dict[str, None] = {}
    while left:
        stage = left.pop()
        names[stage.name] = None
        given = (
            session.values.producers.get(name) for name, optional in stage.needs() if not optional
        )
        left += [one for one in given if one is not None and _state(session, one, key)]
    return sorted(names)


def _state(session: Session, stage: Stage, key: str) -> str:
    """Return made, rejected or failed; empty where a stage did nothing for this sample alone."""
    made = session.values.made(stage.name).get(key) if stage.shape is Shape.MAP else None
    return made.state if made else ""
