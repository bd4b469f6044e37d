"""A sheet that came back from a person -> edits: what was exported, the sheet, what holds now."""

from pathlib import Path
from typing import Any

from prep import sheet
from prep.engine import metafiles, views
from prep.engine.ledger import Edit
from prep.engine.ledger_file import opened
from prep.engine.leg import Context, Leg, Order, open_leg
from prep.engine.lock import held
from prep.engine.plan import Step
from prep.engine.run import carry_out, remember
from prep.engine.world import Place
from prep.errors import DatasetError, nearest
from prep.files import digest_bytes
from prep.merge import Verdict, merged
from prep.sheet import Row

# The columns that a person may edit.
_FIELDS = ("keep", "rating", "tags", "caption", "concept", "weight", "notes")

_Edits = dict[tuple[str, str], str]


def take_over(file: Path, place: Place, context: Context) -> int:
    """Bring the edits of a sheet into the ledger, then publish sheet and sidecars anew.

    Returns:
        4 where a value changed on both sides: it is listed and nothing of its row is taken.

    Raises:
        DatasetError: The sheet is damaged, was never exported, or names pictures that are not
            there; nothing is taken.
    """
    with held(place.state), opened(place.state) as ledger:
        leg = open_leg(Order(place, ()), context, ledger)
        view = next(s for s in context.stages.values() if s.writes == "tags.csv")
        step = Step(view, view.params(), 0, (), "")
        edits, conflicts, read_as = _compared(leg, step, file)
        remember(leg)
        with ledger.batch():
            for (key, name), cell in edits.items():
                ledger.edit(key, name, _edit(name, cell))
            ours = file.samefile(place.root / view.writes)
            if ours and not conflicts:
                data = file.read_bytes()
                ledger.wrote(place.name(file), digest_bytes(data))
    sidecars = tuple(
        asked
        for stage in context.stages.values()
        if stage.writes in ("tags", "caption", "tags.csv")
        and stage.shape.value in ("sidecar", "view")
        for asked in [_default(stage)]
    )
    report = carry_out(Order(place, sidecars), context)
    console = context.console
    console.say(f"read `{file}` as {read_as}: {len(edits)} cells changed")
    for (key, name), text in sorted(conflicts.items()):
        console.say(f"  conflict: {key}: {name}: {text}; nothing of this row was taken")
    return 4 if conflicts else report.exit_code()


def _default(stage: Any) -> Any:
    from prep.stage import Asked

    return Asked(stage, stage.params(), "review import")


def _compared(leg: Leg, step: Step, file: Path) -> tuple[_Edits, dict[tuple[str, str], str], str]:
    """Return the cells to take over, the conflicts, and how the sheet was read."""
    found = sheet.parse(_stable(file), file.name)
    base = {row.key: row for row in sheet.parse(_exported(leg, step), "the exported sheet").rows}
    rows = views.rows_of(leg, step)
    now = {row.key: row for row in sheet.parse(step.stage.run(rows, step.params), "now").rows}
    strange = sorted(row.key for row in found.rows if row.key not in base)
    if strange:
        told = [
            (f"`{file.name}`: no picture `{key}` was exported", nearest(key, base))
            for key in strange
        ]
        raise DatasetError(*told[0], others=told[1:])
    edits: _Edits = {}
    conflicts: dict[tuple[str, str], str] = {}
    for row in found.rows:
        if row.key in now:
            taken, clash = _row(row, base[row.key], now[row.key], leg)
            edits |= {} if clash else taken
            conflicts |= clash
    return edits, conflicts, found.read_as()


def _row(row: Row, base: Row, now: Row, leg: Leg) -> tuple[_Edits, dict[tuple[str, str], str]]:
    taken: _Edits = {}
    clash: dict[tuple[str, str], str] = {}
    for name in _FIELDS:
        was, theirs, ours = getattr(base, name), getattr(row, name), getattr(now, name)
        edit = leg.world.edits.get((row.key, name))
        verdict = merged(was, theirs, ours, edit is not None).verdict
        if verdict is Verdict.CONFLICT and edit is not None:
            clash[row.key, name] = f"the sheet says `{theirs}`, {edit.source} says `{ours}`"
        elif verdict is Verdict.THEIRS:
            _check(name, theirs, row.key)
            taken[row.key, name] = theirs
    return taken, clash


def _check(name: str, cell: str, key: str) -> None:
    if name == "weight" and cell:
        try:
            if float(cell) >= 0:
                return
        except ValueError:
            pass
        raise DatasetError(f"the weight of `{key}` is `{cell}`", "write a number, 0 or more")
    if name == "keep" and cell not in ("", "yes", "no") and not cell.startswith("duplicate of "):
        raise DatasetError(f"`keep` of `{key}` is `{cell}`", "write yes or no")


def _edit(name: str, cell: str) -> Edit | None:
    """Return what the ledger keeps of a cell; an emptied cell of most columns means: no longer."""
    return Edit(cell, "tags.csv") if cell or name in ("tags", "caption") else None


def _exported(leg: Leg, step: Step) -> bytes:
    """Return the sheet as it was exported: the base of the merge."""
    name = leg.world.place.name(views.view_file(leg, step.stage))
    wrote = leg.world.outputs.get(name)
    copy = leg.world.place.file(metafiles.published_copy(wrote)) if wrote else None
    if copy is None or not copy.exists():
        raise DatasetError(
            f"no sheet was exported from `{leg.world.place.root}`",
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
