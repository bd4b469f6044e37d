"""Fan-outs: pictures of one folder -> pictures of another, with their lineage.

State lives with the output. A derived picture that a person edited is kept and named; one whose
source is gone is removed, unless somebody edited it.
"""

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from prep.engine import cutting, fanout_files
from prep.engine.compute import Outcome
from prep.engine.decoding.outcome import UnwrittenError
from prep.engine.inventory import other_files
from prep.engine.inventory.declarations import Declarations
from prep.engine.inventory.inventory import Inventory
from prep.engine.inventory.read import adopt_intended, check_gone, read_digests
from prep.engine.inventory.scan import no_pictures, scan, unreachable
from prep.engine.param_changes import note_changes
from prep.engine.plan import PlannedStage, StagePlan, plan_map
from prep.engine.report import Report
from prep.engine.session import Context, Job, Session
from prep.engine.state import artifacts, publish
from prep.engine.state.database import snapshot
from prep.engine.state.digest_cache import Digests
from prep.engine.state.file_stat import clock
from prep.engine.state.ledger import Ledger
from prep.engine.state.recipe import Made
from prep.engine.values import Values
from prep.runtime import files
from prep.runtime.keys import nfc
from prep.stage import Shape

_BATCH = 32
_COMMIT_S = 2.0


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
    faulty, outputs = dict(folder.faulty), ledger.outputs()
    inventory = Inventory(source, folder, declared, faulty=faulty, outputs=outputs)
    read_digests(inventory, digests)
    for asked in job.asked:
        inventory.faulty |= unreachable(folder, ledger.made(asked.stage.name))
    if not context.accept_missing:
        _check_gone(job, ledger, inventory)
    adopt_intended(job.location, inventory.outputs, ledger.intents(), digests)
    return Session(job, context, ledger, inventory, Values(inventory, ledger, {}), digests)


def _check_gone(job: Job, ledger: Ledger, inventory: Inventory) -> None:
    """Stop where many sources vanished: what was made of them would be removed."""
    known: dict[str, str] = {}
    for asked in job.asked:
        known |= {key: made.inputs for key, made in ledger.made(asked.stage.name).items()}
    there = set(inventory.digests.values())
    gone = [
        key
        for key, digest in known.items()
        if key not in inventory.digests and key not in inventory.faulty and digest not in there
    ]
    check_gone(len(gone), len(inventory.digests) + len(inventory.faulty), inventory.location.root)


def plan(session: Session, step: PlannedStage) -> StagePlan:
    """Return which source pictures have to be taken again."""
    there = (
        {nfc(name) for name in scan(session.job.location.root, ()).pictures}
        if _exists(session)
        else set()
    )

    def present(made: Made) -> bool:
        if made.state != "made":
            return True
        body = session.ledger.body(made.digest)
        return all(child["name"] in there for child in artifacts.loaded(body))

    return plan_map(step, session.values, session.inventory.digests, session.recipes, present)


def carry_out(session: Session) -> Report:
    """Bring the output folder up to date with the source folder."""
    job, ledger = session.job, session.ledger
    there = other_files.unknown(session.inventory.folder.others, (), session.inventory.declared)
    report = Report(
        total=session.inventory.num_pictures(),
        others=there,
        source=os.path.relpath(session.inventory.location.root),
    )
    report.failed |= session.inventory.faulty
    location, source = job.location, session.inventory.location
    for folder in {*(scan(location.root, ()).scratch if _exists(session) else ()), location.state}:
        publish.sweep_scratch(Path(folder), location.state)
    with ledger.batch():
        known = ledger.outputs()
        for name, digest in session.inventory.outputs.items():
            if known.get(name) != digest:
                ledger.wrote(name, digest)
        ledger.settle()
        session.digests.record()
        ledger.set_fact("source_state", fanout_files.relative(source.state, location.state))
        ledger.set_fact("source_faulty", session.inventory.faulty)
    for asked in job.asked:
        step = session.number_for_good(session.step(asked))
        report.notes += note_changes(session, step)
        todo = plan(session, step)
        report.made[asked.stage.name] = _make(session, todo, report)
        report.kept[asked.stage.name] = todo.kept
        _remove_derived(session, asked.stage.name, report)
        for key, made in session.values.made(asked.stage.name).items():
            if made.state != "made" and key in session.inventory.digests:
                (report.failed if made.state == "failed" else report.rejected)[key] = made.why
    return report


def _make(session: Session, todo: StagePlan, report: Report) -> int:
    if not todo.run:
        return 0
    stage = todo.step.stage
    waiting, since = list[Outcome](), time.monotonic()
    console, jobs = session.context.console, session.context.jobs
    made = cutting.outcomes(
        todo, session.values, jobs, report.notes.append, partial(fanout_files.parts_of, session)
    )
    try:
        with (
            console.progress(todo.step.command, len(todo.run)) as progress,
            closing(made),  # the files of pictures under way are removed
            _disk_errors(session),
        ):
            for outcome in made:
                progress.advance()
                console.detail(f"{stage.name}: {outcome.key}: {outcome.state}")
                report.unmade[stage.name] += outcome.state != "made"
                if outcome.passing:
                    report.failed[outcome.key] = outcome.why
                else:
                    waiting.append(outcome)
                if len(waiting) >= _BATCH or time.monotonic() - since > _COMMIT_S:
                    batch, waiting, since = waiting, [], time.monotonic()
                    fanout_files.publish_parts(session, todo.step, batch, report)
    finally:
        # Also when a person stops the run.
        fanout_files.publish_parts(session, todo.step, waiting, report)
    session.values.forget(stage.name)
    return len(todo.run)


@contextmanager
def _disk_errors(session: Session) -> Iterator[None]:
    try:
        yield
    except UnwrittenError as error:
        with files.disk_errors(error.parts[0].to.parent, session.ledger.state):
            raise error.error from None


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
        told = artifacts.loaded((lineage or "{}").encode()) | {"removed": True}
        with session.ledger.batch():
            session.ledger.set_lineage(key, digest, artifacts.dumped(told).decode())
        publish.remove(session.ledger, session.job.location.root / key, key)
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
        rows = [(k, made) for name in stages for k, made in ledger.made(name).items()]
        yield from ((key, made.why) for key, made in rows if made.state != "made")
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
    there = [*session.inventory.digests, *session.inventory.faulty]
    wanted = {name for key in there for name in children(session, stage, key)}
    for key, (_, lineage) in session.ledger.samples().items():
        told = artifacts.loaded(lineage.encode()) if lineage else {}
        if told.get("kind") != stage or key in wanted:
            continue
        path = session.job.location.root / key
        if path.exists():
            found = session.digests.of(os.fspath(path.absolute()))
            yield key, found != session.inventory.outputs.get(key)


def children(session: Session, stage: str, key: str) -> list[str]:
    """Return the keys of the pictures that a stage made of a source picture."""
    made = session.values.made(stage).get(key)
    body = session.ledger.body(made.digest) if made and made.state == "made" else None
    return [child["name"] for child in artifacts.loaded(body)] if body else []


def _exists(session: Session) -> bool:
    return session.job.location.root.is_dir()
