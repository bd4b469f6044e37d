"""A sheet that came back from a person -> edits: what was exported, the sheet, what holds now."""

import math
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from prep import sheet
from prep.commands import built
from prep.engine import views
from prep.engine.ledger import Edit
from prep.engine.ledger_file import opened
from prep.engine.leg import Context, Leg, Order, open_leg
from prep.engine.lock import held
from prep.engine.plan import Step
from prep.engine.run import carry_out, remember
from prep.engine.world import SHEET, Place, published_copy
from prep.errors import DatasetError, nearest
from prep.files import digest_bytes
from prep.merge import Verdict, merged
from prep.sheet import Row, Sheet
from prep.stage import Asked, Shape

# The columns that a person may edit.
_FIELDS = ("keep", "rating", "tags", "caption", "concept", "weight", "notes")

_PROPOSED = "duplicate of "

_Cells = dict[tuple[str, str], str]


def take_over(file: Path, place: Place, context: Context) -> int:
    """Bring the edits of a sheet into the ledger, then publish sheet and sidecars anew.

    Returns:
        4 where a value changed on both sides: it is listed and nothing of its row is taken.

    Raises:
        DatasetError: The sheet is damaged, was never exported, or names pictures that are not
            there; nothing is taken.
    """
    file = Path(os.path.relpath(file))
    with held(place.state), opened(place.state) as ledger:
        leg = open_leg(Order(place, ()), context, ledger)
        view = next(s for s in context.stages.values() if s.writes == SHEET)
        step = Step(view, view.params(), 0, (), "")
        data = _stable(file)
        found = sheet.parse(data, file.name)
        edits, conflicts = _compared(leg, step, found, file.name)
        remember(leg)
        with ledger.batch():
            for (key, name), cell in edits.items():
                ledger.edit(key, name, _edit(name, cell))
            published = place.root / SHEET
            if published.exists() and file.samefile(published) and not conflicts:
                ledger.wrote(place.name(published), digest_bytes(data))
        again = _views(leg)
    report = carry_out(Order(place, again), context)
    say = context.console.say
    num = f"{len(edits)} cell{'' if len(edits) == 1 else 's'}"
    say(f"read `{file}` as {found.read_as()}: {num} changed", cells=len(edits))
    for (key, name), text in sorted(conflicts.items()):
        say(f"  conflict: {key}: {name}: {text}; nothing of this row was taken", conflict=key)
    for note in report.notes:
        say(f"  {note}")
    return 4 if conflicts and report.exit_code() == 0 else report.exit_code()


def _views(leg: Leg) -> tuple[Asked, ...]:
    """Return the stages that show what a sheet can change, with the params they last had."""
    leg.know_recipes()
    asked = []
    for stage in leg.context.stages.values():
        if stage.shape is Shape.SIDECAR or stage.writes == SHEET:
            bases = Counter(made.base for made in leg.values.made(stage.name).values())
            last = max(bases, key=lambda base: bases[base], default=0)
            params = built(stage, leg.recipes.get(last, {}).get("params", {}))
            asked.append(Asked(stage, params, "review import"))
    return tuple(asked)


def _compared(leg: Leg, step: Step, found: Sheet, name: str) -> tuple[_Cells, _Cells]:
    """Return the cells to take over, and the conflicts with their reasons."""
    base = {row.key: row for row in sheet.parse(_exported(leg, step), "the exported sheet").rows}
    rows = views.rows_of(leg, step)
    now = {row.key: row for row in sheet.parse(step.stage.run(rows, step.params), "now").rows}
    strange = sorted(row.key for row in found.rows if row.key not in base)
    told = [(f"`{name}`: no picture `{key}` was exported", nearest(key, base)) for key in strange]
    today = dict(leg.world.renamed)
    edits: _Cells = {}
    conflicts: _Cells = {}
    for row in found.rows:
        if row.key in base:
            key = today.get(row.key, row.key)
            taken, clash = _row(_tidy(row), base[row.key], now.get(key), leg.world.edits, key)
            told += [wrong for at, cell in taken.items() if (wrong := _mistake(*at, cell))]
            edits |= {} if clash else taken
            conflicts |= clash
    if told:
        raise DatasetError(*told[0], others=told[1:])
    return edits, conflicts


def _row(
    row: Row, base: Row, now: Row | None, edits: Mapping[tuple[str, str], Edit], key: str
) -> tuple[_Cells, _Cells]:
    """Return what a person changed in one row, and what of it was changed elsewhere as well."""
    cells = {name: getattr(row, name) for name in _FIELDS}
    changed = {name: cell for name, cell in cells.items() if cell != getattr(base, name)}
    if not changed or sheet.revision(row) == row.revision:
        return {}, {}
    if now is None:
        why = "but the picture is gone, unreadable or has another name"
        return {}, {
            (key, name): f"the sheet says `{cell}`, {why}" for name, cell in changed.items()
        }
    taken: _Cells = {}
    clash: _Cells = {}
    for name, theirs in changed.items():
        ours, edit = getattr(now, name), edits.get((key, name))
        if row.revision != base.revision and theirs != ours:
            clash[key, name] = f"the sheet says `{theirs}`, but the row changed since its export"
            continue
        verdict = merged(getattr(base, name), theirs, ours, edit is not None).verdict
        if verdict is Verdict.CONFLICT and edit is not None:
            clash[key, name] = f"the sheet says `{theirs}`, {edit.source} says `{ours}`"
        elif verdict is Verdict.THEIRS:
            taken[key, name] = theirs
    return taken, clash


def _tidy(row: Row) -> Row:
    """Return a row as a person meant it: `No` is no, a decimal comma is a point."""
    keep = row.keep.strip()
    if keep.lower() in ("yes", "no"):
        keep = keep.lower()
    return replace(row, keep=keep, weight=row.weight.strip().replace(",", "."))


def _mistake(key: str, name: str, cell: str) -> tuple[str, str] | None:
    """Return message and hint for a cell that cannot be what its column holds."""
    if name == "weight" and cell:
        try:
            good = 0 <= float(cell) < math.inf
        except ValueError:
            good = False
        return None if good else (f"the weight of `{key}` is `{cell}`", "write a number, 0 or more")
    if name == "keep" and cell not in ("", "yes", "no") and not cell.startswith(_PROPOSED):
        return f"`keep` of `{key}` is `{cell}`", "write yes or no"
    return None


def _edit(name: str, cell: str) -> Edit | None:
    """Return what the ledger keeps of a cell.

    An emptied cell of most columns, or a proposal put back, means: no decision any more.
    """
    undone = (not cell and name not in ("tags", "caption")) or (
        name == "keep" and cell.startswith(_PROPOSED)
    )
    return None if undone else Edit(cell, SHEET)


def _exported(leg: Leg, step: Step) -> bytes:
    """Return the sheet as it was exported: the base of the merge."""
    name = leg.world.place.name(views.view_file(leg, step.stage))
    wrote = leg.world.outputs.get(name)
    copy = leg.world.place.file(published_copy(wrote)) if wrote else None
    if copy is None or not copy.exists():
        raise DatasetError(
            f"no sheet was exported from `{os.path.relpath(leg.world.place.root)}`",
            "export one: `prep review export`",
        )
    return copy.read_bytes()


def _stable(file: Path) -> bytes:
    """Return a file's bytes; one that is being saved just now is an error."""
    try:
        before = file.stat()
        data = file.read_bytes()
        after = file.stat()
    except FileNotFoundError:
        raise DatasetError(
            f"there is no `{file}`", "export one with `prep review export FOLDER`, or name yours"
        ) from None
    except OSError as error:
        raise DatasetError(f"`{file}` cannot be read: {error.strerror}", "name the sheet") from None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise DatasetError(f"`{file}` is being saved just now", "close it, then run again")
    return data
