"""A sheet that the ledger does not know: ours, with what people decided in it, or a person's."""

from collections import Counter
from collections.abc import Mapping

from prep.engine import published_files, traces, view_rows
from prep.engine.committer import CommitBatch, commit
from prep.engine.plan import PlannedStage
from prep.engine.session import Session
from prep.engine.state.ledger_queries import Edit
from prep.pages.document import is_page
from prep.runtime.files import MOST_TABLE, digest_bytes, digest_of, readable


def take_over(session: Session, step: PlannedStage, *, sure: bool = False) -> None:
    """Take a sheet for ours where it is as it was exported, and into the ledger what it decides.

    Cells that were edited since the export wait for their import, as ever.

    Args:
        session: Where the sheet lies.
        step: The sheet's stage.
        sure: The machine was asked again just as when the sheet was exported.
    """
    if step.stage.link is not None:
        return
    location, ours = session.inventory.location, session.written.outputs
    path, beside = location.sheet(step.stage.writes), location.root / step.stage.writes
    name, source = location.name(path), session.inventory.declared.sheet_source(path.name)
    if session.values.lost and beside != path and location.name(beside) not in ours:
        # It lies beside pictures that are read-only now.
        _take_decisions(session, traces.sheet_rows(beside, session.inventory), source, sure)
    if name in ours or not path.exists():
        return
    rows = traces.sheet_rows(path, session.inventory)
    with readable(path, MOST_TABLE) as file:
        found = digest_of(file)
    if rows:
        as_exported = _take_decisions(session, rows, source, sure)
    elif is_page(path):  # a page holds nothing that a person wrote
        as_exported = True
    else:
        as_exported = digest_bytes(published_files.made(session, step).data) == found
    if as_exported:
        commit(session, CommitBatch(ours={name: found}))


def _take_decisions(
    session: Session, rows: "list[traces.SheetRow]", source: str, sure: bool
) -> bool:
    """Take cells that say something else than would be exported; return whether none was edited.

    What stands in a text beside the picture is taken from there.
    """
    from prep.sheets.edited import edited

    fresh: dict[tuple[str, str], Edit] = {}
    counts: Counter[str] = Counter()
    as_exported = True
    inventory = session.inventory
    for key, found, revision in rows:
        changed = edited(found, revision).cells
        as_exported = as_exported and not changed
        now = view_rows.sheet_row(session, key)
        for name in found.row.cells:
            cell, suffix = found.row.said(name), inventory.location.suffix_of(name)
            beside = suffix and inventory.sidecar(key, suffix) in session.written.on_disk
            decided = bool(cell) and found.row.columns[name].decides(cell)
            if name in changed or beside or not decided:
                continue
            if now is not None and cell != now.said(name):
                fresh[key, name] = Edit(cell, source)
                counts[name] += 1
    # Where most of a column that the machine fills differs, it was asked otherwise.
    made = [] if sure else [n for n in counts if n in session.values.producers]
    other = {name for name in made if 2 * counts[name] > len(rows)}
    learn(session, {at: edit for at, edit in fresh.items() if at[1] not in other})
    return as_exported


def learn(session: Session, edits: Mapping[tuple[str, str], Edit]) -> None:
    """Take what people wrote of the samples that there are, where nothing was known of it."""
    with session.ledger.batch():
        for at, edit in edits.items():
            if at not in session.written.edits and at[0] in session.inventory.digests:
                session.edit(at, edit)
