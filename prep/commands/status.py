"""`prep status`: what is there, what was made of it, and what is wrong; changes nothing."""

import os
from collections import Counter
from collections.abc import Collection
from typing import Any

from prep.engine import accounting
from prep.engine.explain_sample import commands_of
from prep.engine.inventory import mask_owners, other_files
from prep.engine.inventory.inventory import INHERITED
from prep.engine.inventory.location import Location
from prep.engine.opening import read_only_session
from prep.engine.session import Context, Job, Session
from prep.runtime.keys import shown
from prep.stage import Shape

_SHOWN = 20


def tell_status(location: Location, context: Context) -> int:
    """Print counts from the ledger and the disk."""
    with read_only_session(Job(location, ()), context) as session:
        inventory, console = session.inventory, context.console
        counts: dict[str, Any] = {"pictures": inventory.num_pictures()}
        counts["cannot be used"] = len(inventory.faulty)
        counts["without a sidecar of their own"] = len(inventory.clashing)
        counts["dropped by you"] = len(session.dropped())
        counts["gone since the last run"] = len(inventory.gone)
        edits = session.written.edits.items()
        own = [(k, edit) for (k, _), edit in edits if edit.source != INHERITED]
        lost = session.values.lost  # then a text may be the machine's
        counts["edited by you"] = len({key for key, edit in own if edit.proven or not lost})
        counts["texts to be compared with the machine's"] = sum(
            lost and not edit.proven for _, edit in own
        )
        counts["conflicts"] = len(inventory.conflicts)
        console.say(os.path.relpath(location.root), **counts)
        for name, count in counts.items():
            if count or name == "pictures":
                console.say(f"  {name}: {count}")
        _say_others(session)
        _say_results(session)
        for line, facts in accounting.listing(session):
            console.say(f"  {line}", **facts)
    return 0


def _say_results(session: Session) -> None:
    """Print how many results each command has, or with `-v` each stage, and how many it lacks."""
    known, console = session.context.stages, session.context.console
    names = session.ledger.stages()
    commands = commands_of([known[name] for name in names if name in known])
    told: dict[str, dict[str, str]] = {}
    for name in names:
        shape = known[name].shape if name in known else None
        of_samples = shape in (Shape.MAP, Shape.DECISION, Shape.SIDECAR)
        states = session.values.states(name)
        states = {key: state for key, state in states.items() if state != "nothing"}
        if of_samples:
            there = session.inventory.digests
            states = {key: state for key, state in states.items() if key in there}
        if console.details():
            console.say(f"  {name}: {_counted(states.values())}")
        elif of_samples or shape is Shape.FAN_OUT:
            each = told.setdefault(commands[name], {})
            each |= {key: state for key, state in states.items() if each.get(key, "made") == "made"}
    for command, states in sorted(told.items()):
        console.say(f"  {command}: {_counted(states.values())}")


def _counted(states: Collection[str]) -> str:
    count = Counter(states)
    bad = [f"{count[state]} {state}" for state in ("rejected", "failed") if count[state]]
    return ", ".join([f"{count['made']} made", *bad])


def _say_others(session: Session) -> None:
    """Print what else lies in a folder, what is almost called a mask, and what was passed over."""
    say, folder = session.context.console.say, session.inventory.folder
    there = accounting.unknown_files(session)
    if there:
        say(f"  {other_files.line(there.values())}", others=there)
        if not session.context.console.json:
            say(*(f"    {shown(name)}" for name in list(there)[:_SHOWN]))
            if len(there) > _SHOWN:
                say(f"    ... and {len(there) - _SHOWN} more; `--json` lists all")
    almost = mask_owners.almost(folder.pictures)
    for line in mask_owners.almost_lines(almost):
        say(f"  {line}", almost_masks=almost)
    passed = other_files.passed_line(folder.passed)
    if passed:
        say(f"  passed over by name: {passed}", passed=folder.passed)
