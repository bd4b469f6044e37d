"""Sheets that a person edited: never overwritten, and named until they are imported."""

import os
from collections.abc import Iterator
from pathlib import Path

from prep.engine.session import Session
from prep.engine.state.digest_cache import of_file
from prep.engine.view_rows import view_file
from prep.runtime.errors import UserError
from prep.runtime.files import MOST_TABLE, readable
from prep.sheets.columns import Columns
from prep.stage import Stage


def is_persons(session: Session, stage: Stage, found: str | None) -> bool:
    """Return whether a sheet holds what a person typed, or is not ours.

    What was typed into a dataset file has been read by now, so that one may be overwritten.

    Args:
        found: Digest of the file that is there; None for none.
    """
    if stage.link is not None or found is None:
        return False
    name = session.inventory.location.name(view_file(session, stage))
    return found != session.written.outputs.get(name)


def not_imported(session: Session) -> Iterator[str]:
    """Yield a sentence for each sheet that was edited, and that is not written by this run."""
    asked = {one.stage.name for one in session.job.asked}
    for stage in session.inventory.declared.sheets:
        if stage.name not in asked:
            file = view_file(session, stage)
            ours = session.inventory.location.name(file) in session.written.outputs
            if ours and is_persons(session, stage, of_file(file, session.digests)):
                yield kept(file, ours, session.inventory.declared.columns)


def kept(file: Path, ours: bool, columns: Columns) -> str:
    """Return the sentence about a sheet that is left as it is.

    Args:
        ours: prep wrote it, and it was edited since.
        columns: Those that a sheet may have.
    """
    from prep.sheets import reading

    shown = os.path.relpath(file)
    if not ours:
        return f"kept `{shown}`: prep did not write it; move it away and run again for a sheet"
    try:
        with readable(file, MOST_TABLE) as data:
            reading.parse(data, file.name, columns)  # up to its first row, as an import begins
    except (UserError, OSError) as error:
        return f"kept `{shown}`: it was edited and cannot be imported: {error}"
    return (
        f"kept `{shown}`: it was edited and not yet imported; "
        f"take it over with `prep review import {shown}`"
    )
