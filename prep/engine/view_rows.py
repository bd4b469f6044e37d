"""What a whole-file view shows: its rows, and what it leaves out."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from prep import __version__
from prep.dataset.file_names import HEAD, link_before, link_of
from prep.engine import fanout
from prep.engine.made_by import made_by
from prep.engine.plan import PlannedStage
from prep.engine.session import Session, large_file
from prep.engine.state.recipe import Made
from prep.runtime.errors import DatasetError
from prep.runtime.files import MOST_TABLE, content
from prep.stage import DIGEST, Rows, Stage

if TYPE_CHECKING:
    from prep.sheets.row import Row

_Row = TypeVar("_Row")


def view_file(session: Session, stage: Stage) -> Path:
    """Return the file that a view writes."""
    if stage.link is not None:
        head = session.job.meta or session.job.location.root.parent / HEAD
        return link_of(head, stage.link)
    return session.job.location.sheet(stage.writes)


def rows_of(session: Session, step: PlannedStage) -> Rows:
    """Return all that a view shows; a row is read when it is asked for."""
    needs = step.stage.needs()
    out = left_out(session, step)
    keys = dict.fromkeys(key for key in sorted(session.inventory.digests) if key not in out)
    rows = ReadRows(keys, lambda key: {name: _value(session, name, key) for name, _ in needs})
    previous = previous_file(session, step.stage)
    more = facts(session, step, content(previous, MOST_TABLE) if previous else None)
    failed = failures(session, step.stage)
    return Rows(rows, out, more, failed, session.inventory.declared.columns)


def sheet_row(session: Session, key: str) -> "Row | None":
    """Return the row of a sample as a sheet would show it now; None where it has none."""
    from prep.sheets.row import exported_row

    view = session.inventory.declared.main_sheet
    if key not in session.inventory.digests:
        return None
    sample = {name: _value(session, name, key) for name, _ in view.needs()}
    return exported_row(key, sample, session.inventory.declared.columns)


class ReadRows(Mapping[str, _Row]):
    """Rows that are made as they are asked for, and not held."""

    def __init__(self, keys: Collection[str], read: Callable[[str], _Row]) -> None:
        self._keys, self._read = keys, read

    def __getitem__(self, key: str) -> _Row:
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


def left_out(session: Session, step: PlannedStage) -> dict[str, str]:
    """Return key -> reason for every picture, of this folder and those before, that has no row."""
    out = dict(fanout.lost_before(session))
    out |= session.inventory.faulty
    needs, dropped = step.stage.needs(), session.dropped()
    if not session.inventory.declared.shows_dropped(step.stage):
        out |= dropped
    for name, optional in needs:
        if not optional and name != DIGEST:
            found = session.values.digests(name)
            for key in session.inventory.digests:
                if key not in found and key not in out:
                    out[key] = dropped.get(key) or session.values.why_absent(name, key)
    return dict(sorted(out.items()))


def failures(session: Session, stage: Stage) -> dict[str, dict[str, str]]:
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


def facts(session: Session, step: PlannedStage, previous: bytes | None) -> dict[str, Any]:
    """Return what a view shows beside its rows: what made it, and of a dataset file where it is."""
    found: dict[str, Any] = {
        "program": f"prep {__version__}",
        "made_by": made_by(session, step.stage),
    }
    if step.stage.link is not None:
        file = view_file(session, step.stage).absolute()
        folder = file.parent
        location = session.job.location
        found["file"] = file.name
        found["root"] = Path(os.path.relpath(location.root, folder)).as_posix()
        found["state"] = Path(os.path.relpath(location.state, folder)).as_posix()
    if previous:
        found["previous"] = previous
    return found
