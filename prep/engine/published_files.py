"""Files that are only a view of the ledger: the sheet, the dataset files."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep import __version__
from prep.dataset.account import Account
from prep.dataset.chain import HEAD, link_before, link_of
from prep.engine import fanout, traces
from prep.engine.edited_sheets import is_persons, kept
from prep.engine.inventory.inventory import published_copy
from prep.engine.made_by import made_by
from prep.engine.plan import PlannedStage, set_inputs
from prep.engine.report import Report
from prep.engine.session import Session, large_file
from prep.engine.state import publish
from prep.engine.state.digest_cache import of_file
from prep.engine.state.recipe import Made, Why, why_stale
from prep.runtime.errors import DatasetError
from prep.runtime.files import MOST_TABLE, canonical, content, digest_bytes
from prep.stage import DIGEST, Page, Rows, Stage

_ACCOUNT = "account:"  # begins the fact that holds what a dataset file has to tell

if TYPE_CHECKING:
    from prep.sheets.row import Row


def view_file(session: Session, stage: Stage) -> Path:
    """Return the file that a view writes."""
    if stage.link is not None:
        head = session.job.meta or session.job.location.root.parent / HEAD
        return link_of(head, stage.link)
    return session.job.location.sheet(stage.writes)


def plan_view(session: Session, step: PlannedStage) -> tuple[str, Why | None, bool]:
    """Return a view's inputs, why it is stale (None: up to date), and whether it waits."""
    file = view_file(session, step.stage)
    name = session.inventory.location.name(file)
    extra = canonical(
        [
            _facts(session, step, b""),
            sorted(session.inventory.dropped.items()),
            _left_out(session, step),
            _failures(session, step.stage),
        ]
    )
    previous = previous_file(session, step.stage)
    extra += session.digests.of(str(previous.absolute())) or "" if previous is not None else ""
    inputs, waits = set_inputs(step, session.values, session.inventory.digests, extra)
    found = _found(session, file)
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
    file = view_file(session, stage)
    name = session.inventory.location.name(file)
    found = _found(session, file)
    wrote = session.inventory.outputs.get(name)
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
    if found is not None and found != session.inventory.on_disk.get(name, found):
        report.notes.append(f"kept `{os.path.relpath(file)}`: it was edited just now; run again")
        return False
    page = made(session, step)
    data = page.data
    digest = digest_bytes(data)
    outputs = [publish.Output(file, name, data)] if digest != found else []
    copy = published_copy(digest)
    outputs.insert(0, publish.Output(session.inventory.location.file(copy), copy, data))

    def done() -> None:
        session.ledger.record(
            stage.name, [(name, Made(step.base, inputs, digest), None)], again=False
        )
        session.ledger.wrote(name, digest)  # also where a person had typed just what we would write
        _remember(session, name, page)

    publish.publish(session.ledger, outputs, done)
    session.inventory.outputs |= {name: digest, copy: digest}
    session.values.forget(stage.name)
    drop_copies(session)
    report.counts[step.command] = page.counts
    if len(outputs) > 1:
        report.published.append(os.path.relpath(file))
    return len(outputs) > 1


def _keep_copy(session: Session, file: Path, name: str) -> None:
    """Write our copy of an unedited file again where it is lost or damaged."""
    wrote = session.inventory.outputs.get(name)
    if wrote is None or session.inventory.on_disk.get(name, wrote) != wrote or not file.exists():
        return
    copy = published_copy(wrote)
    path = session.inventory.location.file(copy)
    if session.digests.of(str(path.absolute())) == wrote:
        return
    data = content(file, MOST_TABLE)
    if digest_bytes(data) == wrote:
        publish.publish(session.ledger, [publish.Output(path, copy, data)])


def _elsewhere(session: Session, stage: Stage) -> str:
    """Return what a person can do where a file is in the way of a dataset file."""
    if link_before(stage.link) is not None:
        return "move it away, then run the same command again"
    return f"name another file with {session.context.names_meta}, or move it away"


def page_of(session: Session, stage: Stage) -> Page | None:
    """Return what a view's file, as it was last published, has to tell; without its bytes."""
    return page_named(session, session.inventory.location.name(view_file(session, stage)))


def page_named(session: Session, name: str) -> Page | None:
    """Return the same of the file that the ledger knows by `name`."""
    found = session.ledger.fact(_ACCOUNT + name)
    if found is None:
        return None
    return Page(b"", found["failed"], found["rejected"], Account(**found["account"]))


def made(session: Session, step: PlannedStage) -> Page:
    """Return what a view's file would be now."""
    loaded = [step.stage.load(step.params, step.found)] if step.stage.load is not None else []
    page: bytes | Page = step.stage.run(rows_of(session, step), step.params, *loaded)
    return page if isinstance(page, Page) else Page(page)


def _remember(session: Session, name: str, page: Page) -> None:
    """Keep what a dataset file has to tell: every run tells it, also one that writes nothing."""
    if page.account is not None:
        told = {"failed": dict(page.failed), "rejected": dict(page.rejected)}
        session.ledger.set_fact(_ACCOUNT + name, told | {"account": page.account.facts()})


def _found(session: Session, file: Path) -> str | None:
    return of_file(file, session.digests)


def drop_copies(session: Session) -> None:
    """Remove our copies of versions that no file has any more."""
    outputs = session.inventory.outputs
    held = {published_copy(d) for name, d in outputs.items() if not _is_copy(name)}
    for name in [name for name in outputs if _is_copy(name) and name not in held]:
        publish.remove(session.ledger, session.inventory.location.file(name), name)
        del outputs[name]


def _is_copy(name: str) -> bool:
    return name.startswith(published_copy(""))


def rows_of(session: Session, step: PlannedStage) -> Rows:
    """Return all that a view shows; a row is read when it is asked for."""
    needs = step.stage.needs()
    left_out = _left_out(session, step)
    keys = dict.fromkeys(key for key in sorted(session.inventory.digests) if key not in left_out)
    rows = _RowsRead(keys, lambda key: {name: _value(session, name, key) for name, _ in needs})
    previous = previous_file(session, step.stage)
    facts = _facts(session, step, content(previous, MOST_TABLE) if previous else None)
    failed = _failures(session, step.stage)
    return Rows(rows, left_out, facts, failed, session.inventory.declared.columns)


def sheet_row(session: Session, key: str) -> "Row | None":
    """Return the row of a sample as a sheet would show it now; None where it has none."""
    from prep.sheets.row import exported_row

    view = session.inventory.declared.main_sheet
    if key not in session.inventory.digests:
        return None
    sample = {name: _value(session, name, key) for name, _ in view.needs()}
    return exported_row(key, sample, session.inventory.declared.columns)


class _RowsRead(Mapping[str, Mapping[str, Any]]):
    """Rows that are read from the ledger as they are asked for, and not held."""

    def __init__(self, keys: Mapping[str, None], read: Callable[[str], Mapping[str, Any]]) -> None:
        self._keys, self._read = keys, read

    def __getitem__(self, key: str) -> Mapping[str, Any]:
        if key not in self._keys:
            raise KeyError(key)
        return self._read(key)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _value(session: Session, name: str, key: str) -> Any:
    value = session.values.value(name, key)
    if isinstance(value, Made):  # a large result: the view is told where it lies
        return large_file(session.values.producers[name], value.digest)
    return value


def _left_out(session: Session, step: PlannedStage) -> dict[str, str]:
    """Return key -> reason for every picture, of this folder and those before, that has no row."""
    out = dict(fanout.lost_before(session)) | session.inventory.faulty
    needs = step.stage.needs()
    if not session.inventory.declared.shows_dropped(step.stage):
        out |= session.inventory.dropped
    for name, optional in needs:
        if not optional and name != DIGEST:
            found = session.values.digests(name)
            for key in session.inventory.digests:
                if key not in found and key not in out:
                    out[key] = session.values.why_absent(name, key)
    return dict(sorted(out.items()))


def _failures(session: Session, stage: Stage) -> dict[str, dict[str, str]]:
    """Return artifact -> key -> why no stage could make it, of those a dataset file may lack."""
    if stage.link is None:
        return {}
    each = {name: session.values.failures(name) for name, optional in stage.needs() if optional}
    return {name: found for name, found in each.items() if found}


def previous_file(session: Session, stage: Stage) -> Path | None:
    """Return the dataset file that this one continues; None for the first of the chain."""
    before = link_before(stage.link)
    if before is None or session.job.meta is None:
        return None
    file = link_of(session.job.meta, before)
    if not file.exists():
        raise DatasetError(
            f"there is no `{os.path.relpath(file)}`", "run the stage before this one, or `prep run`"
        )
    return file


def _facts(session: Session, step: PlannedStage, previous: bytes | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "program": f"prep {__version__}",
        "made_by": made_by(session, step.stage),
    }
    if step.stage.link is not None:
        file = view_file(session, step.stage).absolute()
        folder = file.parent
        location = session.job.location
        facts["file"] = file.name
        facts["root"] = Path(os.path.relpath(location.root, folder)).as_posix()
        facts["state"] = Path(os.path.relpath(location.state, folder)).as_posix()
    if previous:
        facts["previous"] = previous
    return facts
