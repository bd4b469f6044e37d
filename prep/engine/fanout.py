"""Fan-outs: pictures of one folder -> pictures of another, with their lineage.

State lives with the output. A derived picture that a person edited is kept and named; one whose
source is gone is removed, unless somebody edited it.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from prep.engine import fanout_files
from prep.engine.committer import CommitBatch, commit
from prep.engine.inventory import mask_owners, other_files
from prep.engine.inventory.declarations import Declarations
from prep.engine.inventory.inventory import Inventory
from prep.engine.inventory.location import Location
from prep.engine.inventory.read import check_gone, intended, read_digests
from prep.engine.inventory.scan import no_pictures, scan, unreachable
from prep.engine.inventory.written import Written
from prep.engine.report import Report
from prep.engine.session import Context, Job, Session, open_session
from prep.engine.source_values import SourceValues
from prep.engine.state import artifacts, publish
from prep.engine.state.database import snapshot
from prep.engine.state.digest_cache import Digests
from prep.engine.state.file_stat import clock
from prep.engine.state.ledger import Ledger
from prep.engine.values import Values
from prep.stage import DIGEST, IMAGE, KEY, Shape

_OWN = (IMAGE, DIGEST, KEY)  # what is known of a source picture without its folder's ledger


def open_source(job: Job, context: Context, ledger: Ledger) -> Session:
    """Return a session whose inventory is the source folder and whose ledger is the output's."""
    for note in ledger.notes:
        context.console.note(note)
    source = job.source or job.location
    declared = Declarations(context.stages)
    folder = scan(source.root, (), source.state, declared.texts)
    if not folder.pictures and not folder.faulty:
        raise no_pictures(folder, declared)
    digests = Digests(ledger, clock(job.location.state))
    there, faulty, _ = read_digests(folder, digests)
    for asked in job.asked:
        faulty |= unreachable(folder, ledger.made(asked.stage.name))
    inventory = Inventory(source, folder, declared, there, faulty)
    if not context.accept_missing:
        _check_gone(job, ledger, inventory)
    outputs = ledger.outputs()
    outputs |= intended(job.location, outputs, ledger.intents(), digests)
    values = Values(inventory, {}, ledger, {})
    read = {name for asked in job.asked for name, _ in asked.stage.needs()}.difference(_OWN)
    looked_up = read and context.looking
    if read & {*declared.sidecars.values()} or source.state.exists() or looked_up:
        values.source = _source_values(source, context, digests)
    return Session(job, context, ledger, inventory, Written({}, outputs, {}), values, digests)


def _source_values(source: Location, context: Context, digests: Digests) -> SourceValues:
    """Return what the source folder knows of its pictures; nothing is locked or changed there."""
    asked = replace(context, looking=True, accept_missing=True)
    session, _ = open_session(Job(source, ()), asked, snapshot(source.state), digests)
    session.know_recipes()
    return SourceValues(session)


def _check_gone(job: Job, ledger: Ledger, inventory: Inventory) -> None:
    """Stop where many sources vanished: what was made of them would be removed."""
    known: dict[str, str] = {}
    for asked in job.asked:
        each = ledger.made(asked.stage.name).items()
        known |= {key: made.inputs.partition(" ")[0] for key, made in each}
    there = set(inventory.digests.values())
    gone = [
        key
        for key, digest in known.items()
        if key not in inventory.digests and key not in inventory.faulty and digest not in there
    ]
    check_gone(len(gone), len(inventory.digests) + len(inventory.faulty), inventory.location.root)


def remember(session: Session) -> Report:
    """Let the ledger learn what the disk says; return the report of a run that begins."""
    job, ledger, inventory = session.job, session.ledger, session.inventory
    location, source = job.location, inventory.location
    there = scan(location.root, ()).scratch if location.root.is_dir() else ()
    for folder in {*there, location.state}:
        publish.sweep_scratch(Path(folder), location.state)
    with ledger.batch():
        for name in sorted(ledger.intents().keys() & session.written.outputs.keys()):
            ledger.wrote(name, session.written.outputs[name])
        ledger.settle()
        session.digests.record()
        ledger.set_fact("source_state", fanout_files.relative(source.state, location.state))
        ledger.set_fact("source_faulty", inventory.faulty)
    return Report(
        failed=dict(inventory.faulty),
        total=inventory.num_pictures(),
        others=other_files.unknown(inventory.folder.others, (), inventory.declared),
        source=os.path.relpath(source.root),
        notes=mask_owners.almost_lines(mask_owners.almost(inventory.folder.pictures)),
    )


def tidy(session: Session, stage: str, report: Report) -> None:
    """Remove what no source yields any more; name the sources that a stage could not take."""
    _remove_derived(session, stage, report)
    report.rejected |= session.dropped()
    for key, made in session.values.unmade(stage).items():
        if key in session.inventory.digests:
            (report.failed if made.state == "failed" else report.rejected)[key] = made.why


def _remove_derived(session: Session, stage: str, report: Report) -> None:
    """Remove pictures that no source yields any more, unless a person edited them."""
    made = session.values.made(stage)
    samples = session.ledger.samples()
    for key, edited in unwanted(session, stage):
        if edited:
            report.edited.append(key)
            continue
        # Said first: a run that dies in between must not take it for vanished.
        digest, lineage = samples[key]
        told = artifacts.dumped(artifacts.loaded((lineage or "{}").encode()) | {"removed": True})
        tell = partial(session.ledger.set_lineage, key, digest, told.decode())
        commit(session, CommitBatch(tell=tell, gone={key: session.job.location.root / key}))
        report.removed.append(key)
    gone = [
        key
        for key in made
        if key not in session.inventory.digests and key not in session.inventory.faulty
    ]
    if gone:
        with session.ledger.batch():
            session.ledger.forget(stage, gone)
        session.values.forget(stage)


def lost_before(session: Session) -> Iterator[tuple[str, str]]:
    """Yield the pictures that a fan-out before this folder could not take, and why."""
    state, ledger = session.job.location.state.absolute(), session.ledger
    stages = [s.name for s in session.context.stages.values() if s.shape is Shape.FAN_OUT]
    seen = {state}
    while True:
        yield from (ledger.fact("source_faulty") or {}).items()
        rows = [row for name in stages for row in ledger.unmade(name).items()]
        yield from ((key, made.why) for key, made in rows)
        source = ledger.fact("source_state")
        if ledger is not session.ledger:
            ledger.close()
        if source is None:
            return
        state = Path(os.path.normpath(state / source))
        if state in seen:
            return
        seen.add(state)
        ledger = snapshot(state)


def unwanted(session: Session, stage: str) -> Iterator[tuple[str, bool]]:
    """Yield each derived picture that no source yields any more, and whether a person edited it."""
    dropped = session.dropped()
    there = [
        key for key in (*session.inventory.digests, *session.inventory.faulty) if key not in dropped
    ]
    wanted = {name for key in there for name in children(session, stage, key)}
    for key, (_, lineage) in session.ledger.samples().items():
        told = artifacts.loaded(lineage.encode()) if lineage else {}
        if told.get("kind") != stage or key in wanted:
            continue
        path = session.job.location.root / key
        if path.exists():
            found = session.digests.of(os.fspath(path.absolute()))
            yield key, found != session.written.outputs.get(key)


def children(session: Session, stage: str, key: str) -> list[str]:
    """Return the keys of the pictures that a stage made of a source picture."""
    made = session.values.made(stage).get(key)
    body = session.ledger.body(made.digest) if made and made.state == "made" else None
    return [child["name"] for child in artifacts.loaded(body)] if body else []
