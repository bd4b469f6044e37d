"""Files that are only a view of the ledger: the sheet, the dataset files."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

from prep.dataset.account import Account
from prep.dataset.file_names import link_before
from prep.engine import traces, view_rows
from prep.engine.committer import CommitBatch, commit
from prep.engine.edited_sheets import is_persons, kept
from prep.engine.inventory.inventory import published_copy
from prep.engine.plan import PlannedStage, set_inputs
from prep.engine.report import Report
from prep.engine.session import Session
from prep.engine.state import publish
from prep.engine.state.digest_cache import of_file
from prep.engine.state.recipe import Made, Why, why_stale
from prep.runtime.errors import DatasetError
from prep.runtime.files import MOST_TABLE, canonical, content, digest_bytes
from prep.stage import Page, Stage

_ACCOUNT = "account:"  # begins the fact that holds what a dataset file has to tell


def plan_view(session: Session, step: PlannedStage) -> tuple[str, Why | None, bool]:
    """Return a view's inputs, why it is stale (None: up to date), and whether it waits."""
    file = view_rows.view_file(session, step.stage)
    name = session.inventory.location.name(file)
    extra = canonical(
        [
            view_rows.facts(session, step, b""),
            sorted(session.dropped().items()),
            view_rows.left_out(session, step),
            view_rows.failures(session, step.stage),
        ]
    )
    previous = view_rows.previous_file(session, step.stage)
    extra += session.digests.of(str(previous.absolute())) or "" if previous is not None else ""
    inputs, waits = set_inputs(step, session.values, session.inventory.digests, extra)
    found = of_file(file, session.digests)
    if name in session.inventory.held or is_persons(session, step.stage, found):
        return inputs, None, waits
    row = session.values.made(step.stage.name).get(name)
    present = row is not None and found == row.digest
    why = why_stale(step.base, inputs, row, present, session.recipes)
    if why is Why.GONE and found is not None:  # what is not ours is a person's, and was read
        why = Why.PERSON
    return inputs, why, waits


def publish_view(session: Session, step: PlannedStage, report: Report) -> bool:
    """Bring one whole-file view up to date; return whether it was written."""
    stage = step.stage
    file = view_rows.view_file(session, stage)
    name = session.inventory.location.name(file)
    found = of_file(file, session.digests)
    wrote = session.written.outputs.get(name)
    inputs, why, _ = plan_view(session, step)
    if is_persons(session, stage, found):
        ours = wrote is not None or bool(traces.sheet_rows(file, session.inventory))
        report.notes.append(kept(file, ours, session.inventory.declared.columns))
    if why is None:
        _keep_copy(session, file, name)
        return False
    if found is not None and wrote is None:
        raise DatasetError(
            f"`{os.path.relpath(file)}` is there already and was not written for this folder",
            _elsewhere(session, stage),
        )
    if found is not None and found != session.written.on_disk.get(name, found):
        report.notes.append(f"kept `{os.path.relpath(file)}`: it was edited just now; run again")
        return False
    page = made(session, step)
    digest = digest_bytes(page.data)
    there = digest == found
    row = (name, Made(step.base, inputs, digest), None)
    batch = CommitBatch(stage=stage.name, own=[row], tell=partial(_remember, session, name, page))
    write(session, file, page.data, batch, there=there)
    session.values.forget(stage.name)
    drop_copies(session)
    report.counts[step.command] = page.counts
    if not there:
        report.published.append(os.path.relpath(file))
    return not there


def write(
    session: Session,
    file: Path,
    data: bytes,
    batch: CommitBatch | None = None,
    *,
    there: bool = False,
) -> None:
    """Make a whole-file view durable, our copy first: no other place writes one.

    Args:
        session: Whose view it is.
        file: The view.
        data: Its bytes.
        batch: What the ledger is told with it.
        there: It holds them already, perhaps because a person typed just that: it is ours, and
            only our copy is written.
    """
    location, digest = session.inventory.location, digest_bytes(data)
    name, copy = location.name(file), published_copy(digest)
    outputs = [publish.Output(location.file(copy), copy, data)]
    outputs += [] if there else [publish.Output(file, name, data)]
    ours = {name: digest} if there else {}
    commit(session, replace(batch or CommitBatch(), files=outputs, ours=ours))


def _keep_copy(session: Session, file: Path, name: str) -> None:
    """Write our copy of an unedited file again where it is lost or damaged."""
    wrote = session.written.outputs.get(name)
    if wrote is None or session.written.on_disk.get(name, wrote) != wrote or not file.exists():
        return
    path = session.inventory.location.file(published_copy(wrote))
    if session.digests.of(str(path.absolute())) == wrote:
        return
    data = content(file, MOST_TABLE)
    if digest_bytes(data) == wrote:
        write(session, file, data, there=True)


def _elsewhere(session: Session, stage: Stage) -> str:
    """Return what a person can do where a file is in the way of a dataset file."""
    if link_before(stage.link) is not None:
        return "move it away, then run the same command again"
    return f"name another file with {session.context.names_meta}, or move it away"


def page_of(session: Session, stage: Stage) -> Page | None:
    """Return what a view's file, as it was last published, has to tell; without its bytes."""
    return page_named(session, session.inventory.location.name(view_rows.view_file(session, stage)))


def page_named(session: Session, name: str) -> Page | None:
    """Return the same of the file that the ledger knows by `name`."""
    found = session.ledger.fact(_ACCOUNT + name)
    if found is None:
        return None
    return Page(b"", found["failed"], found["rejected"], Account(**found["account"]))


def made(session: Session, step: PlannedStage) -> Page:
    """Return what a view's file would be now."""
    loaded = [step.stage.load(step.params, step.found)] if step.stage.load is not None else []
    page: bytes | Page = step.stage.run(view_rows.rows_of(session, step), step.params, *loaded)
    return page if isinstance(page, Page) else Page(page)


def _remember(session: Session, name: str, page: Page) -> None:
    """Keep what a dataset file has to tell: every run tells it, also one that writes nothing."""
    if page.account is not None:
        told = {"failed": dict(page.failed), "rejected": dict(page.rejected)}
        session.ledger.set_fact(_ACCOUNT + name, told | {"account": page.account.facts()})


def drop_copies(session: Session) -> None:
    """Remove our copies of versions that no file has any more."""
    outputs, location = session.written.outputs, session.inventory.location
    held = {published_copy(d) for name, d in outputs.items() if not _is_copy(name)}
    old = [name for name in outputs if _is_copy(name) and name not in held]
    if old:
        commit(session, CommitBatch(gone={name: location.file(name) for name in old}))


def _is_copy(name: str) -> bool:
    return name.startswith(published_copy(""))
