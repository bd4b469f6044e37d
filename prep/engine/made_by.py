"""What made the results that a view shows: stages, versions and params."""

from typing import Any

from prep.engine.session import Session
from prep.runtime.files import canonical
from prep.stage import Stage


def made_by(session: Session, view: Stage) -> dict[str, Any]:
    """Return stage -> version and params, for every stage whose results the view shows."""
    found: dict[str, Any] = {}
    names = [name for name, _ in view.needs()]
    while names:
        producer = session.values.producers.get(names.pop())
        if producer is None or producer.name in found:
            continue
        parts = [session.recipes.get(base, {}) for base in _bases(session, producer)]
        told = [{k: p[k] for k in ("version", "params", "models")} for p in parts if p]
        found[producer.name] = sorted(told, key=canonical)
        if told:  # the view shows nothing of what a stage without results would read
            names += [name for name, _ in producer.needs()]
    return {
        name: parts[0] if len(parts) == 1 else parts
        for name, parts in sorted(found.items())
        if parts
    }


def _bases(session: Session, producer: Stage) -> set[int]:
    """Return the recipes behind what a stage's artifact says now of the samples that are shown."""
    rows, dropped = session.values.made(producer.name), session.dropped()
    persons = session.values.persons(producer.superseded_by) if producer.superseded_by else {}
    return {
        rows[key].base
        for key in session.inventory.digests
        if key in rows and key not in dropped and key not in persons
    }
