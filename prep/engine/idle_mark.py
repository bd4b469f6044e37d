"""What a run with nothing to do leaves behind, so that the next one knows it without any row.

The mark names the seal of the ledger: a change of whatever row, by whatever version of prep, makes
it void. All else that decides a plan is in its digest, with the digests of results that are files.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from prep import __version__
from prep.engine import fanout, view_rows
from prep.engine.inventory.inventory import Baseline, published_copy
from prep.engine.report import Report
from prep.engine.session import Session
from prep.engine.state import artifacts, seal
from prep.engine.state.file_stat import stat_of
from prep.engine.state.recipe import param_value
from prep.runtime.errors import UserError
from prep.runtime.files import canonical
from prep.stage import ALPHA, MASK_FILE, RequestedStage, Shape, Stage

_FILE = "ledger.idle"


def counts(session: Session) -> dict[str, list[int]] | None:
    """Return stage -> how many results are kept and how many a person's; None where not known.

    Where it is returned, there is nothing to do.
    """
    if not _can_be(session):
        return None
    with suppress(OSError, ValueError, TypeError, KeyError):
        told = json.loads((session.ledger.state / _FILE).read_bytes())
        if told["mark"] == _mark(session):
            found: dict[str, list[int]] = told["counts"]
            return found
    return None


def leave(session: Session, report: Report) -> None:
    """Leave the mark, if the run that ends here had nothing to do, to tell or to remember."""
    told = (report.edited, report.removed, report.published, report.notes)
    if any(report.made.values()) or any(told) or not _can_be(session):
        return
    mark = canonical({"mark": _mark(session), "counts": session.counts})
    with suppress(OSError):  # it only saves time
        (session.ledger.state / _FILE).write_text(mark, encoding="utf-8")


def as_known(session: Session, known: Baseline) -> bool:
    """Return whether the disk says what the ledger knew: there is nothing to remember."""
    inventory, written = session.inventory, session.written
    lineage = inventory.lineage

    def row(key: str) -> tuple[str, str | None]:
        told = artifacts.dumped(lineage[key]).decode() if key in lineage else None
        return inventory.digests[key], told

    return (
        known.edits == written.edits
        and known.outputs == written.outputs
        and len(known.samples) == len(inventory.digests)
        and not (inventory.renamed or inventory.overruled or session.ledger.intents())
        and all(known.samples.get(key) == row(key) for key in inventory.digests)
    )


def _can_be(session: Session) -> bool:
    asked = session.job.asked
    return (
        bool(asked)
        and session.unchanged
        and not session.values.lost
        and not session.inventory.held
        and seal.standing(session.ledger.state).ledger is seal.Left.AS_SEALED
    )


def _mark(session: Session) -> str:
    """Return the digest of all that decides a plan, but for what stands in the ledger."""
    inventory = session.inventory
    read = {need for one in session.job.asked for need, _ in one.stage.needs()}
    facts = [
        __version__,
        seal.content(session.ledger.state),
        [_asked(session, one) for one in session.job.asked],
        [inventory.faulty, inventory.clashing, dict(fanout.lost_before(session))],
        sorted(map(list, inventory.conflicts)),
        {name: session.values.digests(name) for name in (MASK_FILE, ALPHA) if name in read},
    ]
    state = hashlib.sha256(canonical(facts).encode())
    stages = [asked.stage for asked in session.job.asked]
    large = (_large_files(session, one) for one in stages if one.suffix)
    for files in (session.written.on_disk, *large):
        state.update("\n".join(files).encode("utf-8", "surrogateescape"))
        state.update("\n".join(files.values()).encode())
    return state.hexdigest()


def _large_files(session: Session, stage: Stage) -> dict[str, str]:
    """Return path -> SHA-256 of all that lies where a stage's results are files."""
    top = os.path.abspath(session.job.location.state / stage.writes)
    paths = (os.path.join(at, name) for at, _, names in os.walk(top) for name in names)
    stats = {path: stat for path in sorted(paths) if (stat := stat_of(path)) is not None}
    return session.digests.of_all(Path(top), {path[len(top) + 1 :]: s for path, s in stats.items()})


def _asked(session: Session, asked: RequestedStage) -> list[Any]:
    """Return what is asked of a stage, and what a view's files are now."""
    stage, step = asked.stage, session.step(asked)
    values = {item.name: param_value(item, asked.params) for item in fields(asked.params)}
    told = [stage.name, session.recipes[step.base], values]
    if stage.shape is not Shape.VIEW:
        return told
    file = view_rows.view_file(session, stage)
    found = session.digests.of(os.path.abspath(file))
    copy = session.inventory.location.file(published_copy(found or ""))
    previous = None
    with suppress(UserError):
        previous = view_rows.previous_file(session, stage)
    before = session.digests.of(os.path.abspath(previous)) if previous else None
    return [*told, str(file), found, session.digests.of(os.path.abspath(copy)), before]
