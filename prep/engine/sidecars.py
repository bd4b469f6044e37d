"""Text files beside the pictures: a view of one field of the ledger each."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from prep.engine.committer import CommitBatch, commit
from prep.engine.inventory import overlay
from prep.engine.inventory.inventory import INHERITED
from prep.engine.inventory.scan import stem
from prep.engine.plan import PlannedStage
from prep.engine.report import Report
from prep.engine.session import Session
from prep.engine.state import publish
from prep.engine.state.file_stat import path_in
from prep.engine.state.ledger_queries import Edit
from prep.engine.state.recipe import Made
from prep.runtime import text_files
from prep.runtime.files import digest_bytes
from prep.stage import Stage

_BATCH = 256


def stale_sidecars(session: Session, step: PlannedStage) -> Iterator[tuple[str, str]]:
    """Yield key and text of each sidecar that does not say what it should, in the order of keys."""
    stage, inventory, written = step.stage, session.inventory, session.written
    suffix = inventory.location.suffix_of(stage.writes)
    if not suffix:
        return
    of = session.values.digest(stage.writes)
    made = session.values.made(stage.name)
    for key in sorted(inventory.digests):
        if key in inventory.clashing or (key, stage.writes) in inventory.conflicts:
            continue
        if as_written(session, stage, key):
            continue
        edit = written.edits.get((key, stage.writes))
        verbatim = edit is not None and not inventory.declared.is_from_sheet(edit)
        there = written.on_disk.get(inventory.sidecar(key, suffix))
        row = made.get(key)
        if row and there == row.digest and row.base == step.base and row.inputs == of(key):
            continue
        value = session.values.value(stage.writes, key)
        if value is not None:
            said = edit.value if edit is not None and verbatim else stage.run(value, step.params)
            yield key, str(said)


def as_written(session: Session, stage: Stage, key: str) -> bool:
    """Return whether a sidecar is as a person left it: then there is nothing to write."""
    edit = session.written.edits.get((key, stage.writes))
    if edit is None or not edit.file or session.inventory.declared.is_from_sheet(edit):
        return False
    suffix = session.inventory.location.suffix_of(stage.writes)
    return edit.file == session.written.on_disk.get(session.inventory.sidecar(key, suffix))


def publish_sidecars(session: Session, step: PlannedStage, report: Report) -> int:
    """Write the sidecars that are stale; return how many changed on the disk.

    One that a person edited while the run went on stays; the next run reads it.
    """
    settle_texts(session, step, report)
    suffix = session.inventory.location.suffix_of(step.stage.writes)
    of = session.values.digest(step.stage.writes)
    stale = stale_sidecars(session, step)
    changed = 0
    while some := list(islice(stale, _BATCH)):
        outputs, rows = [], []
        covered: dict[str, str] = {}
        for key, text in some:
            data = text_files.encode(text)
            digest = digest_bytes(data)
            file = Path(session.inventory.sidecar_file(key, suffix))
            name = session.inventory.sidecar(key, suffix)
            read = Path(session.sidecar_read(key, suffix))
            there = session.digests.of(os.fspath(read)) if read.exists() else None
            if there != session.written.on_disk.get(name):
                report.edited.append(name)
                continue
            rows.append((key, Made(step.base, of(key), digest), None))
            if there != digest:
                outputs.append(publish.Output(file, name, data))
                covered |= overlay.covered_by(session.written, name)
        tell = partial(_tell, session, step.stage, rows)
        write(session, CommitBatch(outputs, step.stage.name, (), rows, tell, covered))
        changed += len(outputs)
    session.values.forget(step.stage.name)
    return changed


def write(session: Session, batch: CommitBatch) -> None:
    """Make texts beside pictures durable: no other place writes or removes one."""
    commit(session, batch)


def _tell(session: Session, stage: Stage, rows: Sequence[tuple[str, Made, None]]) -> None:
    """Note of each edit that it now stands in a file: the base of the next one."""
    for key, made, _ in rows:
        edit = session.written.edits.get((key, stage.writes))
        if edit is not None and edit.source != INHERITED and edit.file != made.digest:
            session.edit((key, stage.writes), replace(edit, file=made.digest))


def settle_texts(
    session: Session, step: PlannedStage, report: Report, *, final: bool = True
) -> None:
    """Find out whose the texts are that were there before prep knew of them.

    One that is to the byte what the machine says is the machine's, and follows it from now on.

    Args:
        session: Its producers have run.
        step: The sidecar stage.
        report: A text that is the machine's is not named as edited.
        final: Any other one is a person's from now on; else it may still be compared again.
    """
    stage, inventory, written = step.stage, session.inventory, session.written
    suffix = inventory.location.suffix_of(stage.writes)
    settled: dict[str, Edit | None] = {}
    for (key, field), edit in written.edits.items():
        if field != stage.writes or edit.proven:
            continue
        said = session.values.machines(field, key)
        if said is None:
            continue
        data = text_files.encode(stage.run(said, step.params))
        if digest_bytes(data) == edit.file == written.on_disk.get(inventory.sidecar(key, suffix)):
            settled[key] = None
        elif final:
            settled[key] = replace(edit, proven=True)
    with session.ledger.batch():
        for key, known in settled.items():
            session.edit((key, stage.writes), known)
            if known is None:
                report.edited = [n for n in report.edited if n != inventory.sidecar(key, suffix)]


def remove_orphans(session: Session, report: Report) -> None:
    """Remove our sidecars of pictures that are gone; those a person edited stay and are named."""
    stems = {stem(key) for key in session.inventory.folder.pictures}
    persons = {edit.file for edit in session.written.edits.values()}
    for name, spelled in session.inventory.folder.sidecars.items():
        wrote = session.written.outputs.get(name)
        if stem(name) in stems or wrote is None:
            continue
        file = path_in(session.inventory.folder.root, spelled)
        ours = name not in session.written.beside and session.digests.of(file) == wrote
        if ours and wrote not in persons:
            write(session, CommitBatch(gone={name: Path(file)}))
            report.removed.append(name)
            continue
        report.edited.append(name)  # named once: from now on it is no concern of ours
        with session.ledger.batch():
            session.ledger.wrote(name, None)
