"""`prep status`: what is there, what was made of it, and what is wrong; changes nothing."""

import os
from pathlib import Path
from typing import Any

from prep.engine import accounting, others
from prep.engine.leg import Context, Leg, Order
from prep.engine.look import looking_at
from prep.engine.world import INHERITED
from prep.keys import shown
from prep.stage import Shape

_SHOWN = 20


def status(folder: Path, place: Any, context: Context) -> int:
    """Print counts from the ledger and the disk."""
    with looking_at(Order(place, ()), context) as leg:
        world, console = leg.world, context.console
        counts: dict[str, Any] = {"pictures": world.num_pictures()}
        counts["cannot be used"] = len(world.faulty)
        counts["without a sidecar of their own"] = len(world.clashing)
        counts["dropped by you"] = len(world.dropped)
        counts["gone since the last run"] = len(world.gone)
        own = [(k, edit) for (k, _), edit in world.edits.items() if edit.source != INHERITED]
        lost = leg.values.lost  # then a text may be the machine's
        counts["edited by you"] = len({key for key, edit in own if edit.proven or not lost})
        counts["texts to be compared with the machine's"] = sum(
            lost and not edit.proven for _, edit in own
        )
        counts["conflicts"] = len(world.conflicts)
        console.say(os.path.relpath(folder), **counts)
        for name, count in counts.items():
            if count or name == "pictures":
                console.say(f"  {name}: {count}")
        _say_others(leg)
        for name in leg.ledger.stages():
            shape = context.stages[name].shape if name in context.stages else None
            of_samples = shape in (Shape.MAP, Shape.DECISION, Shape.SIDECAR)
            rows = leg.values.made(name).items()
            states = [row.state for key, row in rows if key in world.digests or not of_samples]
            bad = ", ".join(f"{states.count(s)} {s}" for s in ("rejected", "failed") if s in states)
            console.say(f"  {name}: {states.count('made')} made" + (f", {bad}" if bad else ""))
        for line, facts in accounting.listed(leg):
            console.say(f"  {line}", **facts)
    return 0


def _say_others(leg: Leg) -> None:
    """Print what else lies in a folder, file by file, and what was passed over by name."""
    say, folder = leg.context.console.say, leg.world.folder
    there = others.unknown(folder.others, leg.world.outputs)
    if there:
        say(f"  {others.line(there.values())}", others=there)
        if not leg.context.console.json:
            say(*(f"    {shown(name)}" for name in list(there)[:_SHOWN]))
            if len(there) > _SHOWN:
                say(f"    ... and {len(there) - _SHOWN} more; `--json` lists all")
    passed = others.passed_line(folder.passed)
    if passed:
        say(f"  passed over by name: {passed}", passed=folder.passed)
