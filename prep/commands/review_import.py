"""A sheet that a person edited -> edits in the ledger, and every file that shows them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from prep.commands.edited_views import edited_views
from prep.engine import recover_sheet, view_rows
from prep.engine.inventory.location import Location
from prep.engine.opening import locked_session
from prep.engine.plan import PlannedStage
from prep.engine.runner import carry_out, remember
from prep.engine.session import Context, Job, Session
from prep.engine.state.ledger_queries import Edit
from prep.runtime.counts import counted
from prep.runtime.errors import DatasetError
from prep.runtime.files import MOST_TABLE, digest_of, readable
from prep.sheets import reading
from prep.sheets.changes import EXAMPLES, Changes, Side
from prep.sheets.comparison import Now, changes_of
from prep.sheets.row import Row, exported_row

_IMPORTED = "a sheet imported before"


def take_over(file: Path, location: Location, context: Context, side: Side = "") -> int:
    """Bring the edits of a sheet into the ledger, then publish sheets and sidecars anew.

    Args:
        file: CSV or XLSX, from this folder or anywhere else.
        location: The dataset that the sheet is of.
        context: What surrounds the run.
        side: Who is right in a conflict: `ours`, what holds here, or `theirs`, the sheet; empty
            where that is to be asked.

    Returns:
        4 where a value changed on both sides: it is listed and nothing of its row is taken.

    Raises:
        DatasetError: The sheet is damaged, or of another dataset; nothing is taken.
    """
    file = Path(os.path.relpath(file))
    with locked_session(Job(location, ()), context) as session:
        for stage in session.inventory.declared.sheets if session.values.lost else ():
            recover_sheet.take_over(session, PlannedStage(stage, stage.params(), 0, (), ""))
        with _open_sheet(file) as data:
            found = reading.parse(data, file.name, session.inventory.declared.columns)
            changes = changes_of(found, _now(session))
            digest = digest_of(data)
        if changes.foreign:
            raise _foreign_error(file, changes.rows, location.root)
        changes.mistakes.stop()
        changes.settle(side)
        remember(session)
        source = session.inventory.declared.sheet_source(file.name)
        with session.ledger.batch():
            for (key, name), cell in changes.taken.items():
                word = session.inventory.declared.columns[name].decides(cell)
                session.ledger.edit(key, name, Edit(cell, source) if word else None)
            own = _published_name(file, session)
            if own and not changes.conflicts:
                session.ledger.wrote(own, digest)
        again = edited_views(session)
    report = carry_out(Job(location, again), context)
    _tell(context, f"read `{file}` as {found.read_as}", changes)
    notes = [*changes.notes, *_open_elsewhere(file), *report.notes, *report.wrong()]
    if notes:
        context.console.say(*(f"  {note}" for note in notes))
    return 4 if changes.conflicts and report.exit_code() == 0 else report.exit_code()


def _tell(context: Context, read: str, changes: Changes) -> None:
    count = len(changes.taken)
    num = counted(count, "cell")
    facts = {"cells": count, "same": changes.same, "elsewhere": changes.elsewhere}
    context.console.say(f"{read}: {num} changed", **facts, conflicts=len(changes.conflicts))
    for (key, name), one in sorted(changes.conflicts.items()):
        line = f"  conflict: {key}: {name}: {one.why}; nothing of this row was taken"
        context.console.say(line, conflict=key)
    if changes.lost > EXAMPLES:
        more = changes.lost - EXAMPLES
        context.console.say(
            f"  ... and {more:,} more rows of pictures that are gone or cannot be read"
        )
    if changes.conflicts:
        lost = all(one.lost for one in changes.conflicts.values())
        both = "add `--theirs` to take what the sheet says, `--ours` to keep these"
        context.console.say(f"  {'add `--ours` to let these words go' if lost else both}")


def _now(session: Session) -> Now:
    """Return what the sheet would say if it were exported now."""
    declared = session.inventory.declared
    every = (*declared.main_sheet.reads, *(f"{name}?" for name in declared.columns))
    view = replace(declared.main_sheet, reads=tuple(dict.fromkeys(every)))
    found = view_rows.rows_of(session, PlannedStage(view, view.params(), 0, (), ""))

    def row(key: str) -> Row | None:
        return exported_row(key, found.rows[key], found.columns) if key in found.rows else None

    return Now(
        row=row,
        pictures=session.inventory.digests,
        persons={
            at: _IMPORTED if declared.is_from_sheet(edit) else edit.source
            for at, edit in session.written.edits.items()
        },
    )


def _published_name(file: Path, session: Session) -> str | None:
    """Return the name by which the ledger knows a sheet in its own place; None for any other."""
    for stage in session.inventory.declared.sheets:
        path = view_rows.view_file(session, stage)
        if path.exists() and file.samefile(path):
            return session.inventory.location.name(path)
    return None


def _foreign_error(file: Path, num: int, root: Path) -> DatasetError:
    count = f"none of its {num} pictures is" if num > 1 else "its picture is not"
    return DatasetError(
        f"`{file}` is the sheet of another dataset: {count} in `{os.path.relpath(root)}`",
        "name the folder whose sheet it is with `--in DIR`",
    )


def _open_elsewhere(file: Path) -> list[str]:
    """Return a sentence where a spreadsheet has the sheet open: unsaved edits were not read."""
    locks = (f".~lock.{file.name}#", f"~${file.name}")
    if any((file.parent / name).exists() for name in locks):
        return [f"`{file}` is open in a spreadsheet: what was not saved there was not read"]
    return []


@contextmanager
def _open_sheet(file: Path) -> Iterator[BinaryIO]:
    """Yield a file, open to be read; one that is being saved just now is an error."""
    try:
        before = file.stat()
        with readable(file, MOST_TABLE) as data:
            yield data
        after = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise DatasetError(
            f"there is no `{file}`", "export one with `prep review export FOLDER`, or name yours"
        ) from None
    except OSError as error:
        raise DatasetError(f"`{file}` cannot be read: {error.strerror}", "name the sheet") from None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise DatasetError(f"`{file}` is being saved just now", "close it, then run again")
