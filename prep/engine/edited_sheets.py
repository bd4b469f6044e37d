"""Sheets that a person edited: never overwritten, and named until they are imported."""

import os
from collections.abc import Iterator
from pathlib import Path

from prep.engine.digests import of_file
from prep.engine.leg import Leg
from prep.errors import UserError
from prep.files import MOST_TABLE, readable
from prep.stage import Shape, Stage


def is_persons(leg: Leg, stage: Stage, found: str | None) -> bool:
    """Return whether a sheet holds what a person typed, or is not ours.

    What was typed into a dataset file has been read by now, so that one may be overwritten.

    Args:
        found: Digest of the file that is there; None for none.
    """
    if stage.writes.startswith("meta") or found is None:
        return False
    return found != leg.world.outputs.get(leg.world.place.name(_file(leg, stage)))


def not_imported(leg: Leg) -> Iterator[str]:
    """Yield a sentence for each sheet that was edited, and that is not written by this run."""
    asked = {one.stage.name for one in leg.order.asked}
    for stage in leg.context.stages.values():
        if stage.shape is Shape.VIEW and stage.name not in asked:
            file = _file(leg, stage)
            ours = leg.world.place.name(file) in leg.world.outputs
            if ours and is_persons(leg, stage, of_file(file, leg.digests)):
                yield kept(file, ours)


def kept(file: Path, ours: bool) -> str:
    """Return the sentence about a sheet that is left as it is.

    Args:
        ours: prep wrote it, and it was edited since.
    """
    from prep.sheets import reading

    shown = os.path.relpath(file)
    if not ours:
        return f"kept `{shown}`: prep did not write it; move it away and run again for a sheet"
    try:
        with readable(file, MOST_TABLE) as data:
            reading.parse(data, file.name)  # its first row: the others are read by the import
    except (UserError, OSError) as error:
        return f"kept `{shown}`: it was edited and cannot be imported: {error}"
    return (
        f"kept `{shown}`: it was edited and not yet imported; "
        f"take it over with `prep review import {shown}`"
    )


def _file(leg: Leg, stage: Stage) -> Path:
    return leg.order.place.sheet(stage.writes)
