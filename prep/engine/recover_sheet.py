"""A sheet that the ledger does not know: ours, with what people decided in it, or a person's."""

from collections import Counter

from prep.engine import traces
from prep.engine.ledger import Edit
from prep.engine.leg import Leg
from prep.engine.plan import Step
from prep.engine.sheet_source import sheet_source
from prep.files import MOST_TABLE, digest_bytes, digest_of, readable


def take_over(leg: Leg, step: Step, *, sure: bool = False) -> None:
    """Take a sheet for ours where it is as it was exported, and into the ledger what it decides.

    Cells that were edited since the export wait for their import, as ever.

    Args:
        leg: Where the sheet lies.
        step: The sheet's stage.
        sure: The machine was asked again just as when the sheet was exported.
    """
    from prep.engine import views  # which publishes sheets, and asks here first

    path = leg.world.place.sheet(step.stage.writes)
    name = leg.world.place.name(path)
    meta, beside = step.stage.writes.startswith("meta"), leg.world.place.root / step.stage.writes
    if leg.values.lost and not meta and beside != path:  # beside pictures that are read-only now
        _take_decisions(leg, traces.sheet_rows(beside, leg.world), sheet_source(path.name), sure)
    if meta or name in leg.world.outputs or not path.exists():
        return
    rows = traces.sheet_rows(path, leg.world)
    with readable(path, MOST_TABLE) as file:
        found = digest_of(file)
    ours = bool(rows) and _take_decisions(leg, rows, sheet_source(path.name), sure)
    if not ours and not rows:
        ours = digest_bytes(views.made(leg, step).data) == found
    if ours:
        with leg.ledger.batch():
            leg.ledger.wrote(name, found)
        leg.world.outputs[name] = found


def _take_decisions(leg: Leg, rows: "list[traces.SheetRow]", source: str, sure: bool) -> bool:
    """Take cells that say something else than would be exported; return whether none was edited.

    What stands in a text beside the picture is taken from there.
    """
    from prep.engine import views
    from prep.sheets import row
    from prep.sheets.edited import PROPOSED, edited

    fresh: dict[tuple[str, str], Edit] = {}
    counts: Counter[str] = Counter()
    as_exported = True
    fields = leg.world.place.sidecars.values()
    suffixes = {field: suffix for suffix, field in leg.world.place.sidecars.items()}
    for key, found, revision in rows:
        changed = edited(found, revision).cells
        as_exported = as_exported and not changed
        now = views.sheet_row(leg, key)
        for name in row.EDITABLE:
            cell = row.said(name, getattr(found.row, name))
            beside = name in fields and leg.world.sidecar(key, suffixes[name]) in leg.world.on_disk
            proposed = name == "keep" and cell.startswith(PROPOSED)
            if name in changed or beside or proposed or not cell:
                continue
            if now is not None and cell != row.said(name, getattr(now, name)):
                fresh[key, name] = Edit(cell, source)
                counts[name] += 1
    # Where most of a column that the machine fills differs, it was asked otherwise.
    made = [] if sure else [n for n in counts if n in leg.values.producers]
    other = {name for name in made if 2 * counts[name] > len(rows)}
    leg.learn({at: edit for at, edit in fresh.items() if at[1] not in other})
    return as_exported
