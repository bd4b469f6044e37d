"""Files that are only a view of the ledger: the sheet, the dataset files."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep import __version__
from prep.account import Account
from prep.chain import link_before, link_of
from prep.engine import fanout, publish, recover_sheet, traces
from prep.engine.digests import of_file
from prep.engine.edited_sheets import is_persons, kept
from prep.engine.leg import Leg, large_file
from prep.engine.made_by import made_by
from prep.engine.plan import Step, set_inputs
from prep.engine.recipe import Made, Why, why_stale
from prep.engine.report import Report
from prep.engine.sheet_source import SHEET
from prep.engine.world import published_copy
from prep.errors import DatasetError
from prep.files import MOST_TABLE, canonical, content, digest_bytes
from prep.stage import Page, Rows, Stage

_ACCOUNT = "account:"  # begins the fact that holds what a dataset file has to tell

if TYPE_CHECKING:
    from prep.sheets.row import Row


def view_file(leg: Leg, stage: Stage) -> Path:
    """Return the file that a view writes."""
    if stage.writes.startswith("meta"):
        head = leg.order.meta or leg.order.place.root.parent / "meta.json"
        return link_of(head, stage.writes)
    return leg.order.place.sheet(stage.writes)


def plan_view(leg: Leg, step: Step) -> tuple[str, Why | None, bool]:
    """Return a view's inputs, why it is stale (None: up to date), and whether it waits."""
    file = view_file(leg, step.stage)
    name = leg.world.place.name(file)
    extra = canonical(
        [
            _facts(leg, step, b""),
            sorted(leg.world.dropped.items()),
            _left_out(leg, step),
            _failures(leg, step.stage),
        ]
    )
    previous = previous_file(leg, step.stage)
    extra += leg.digests.of(str(previous.absolute())) or "" if previous is not None else ""
    inputs, waits = set_inputs(step, leg.values, leg.world.digests, extra)
    found = _found(leg, file)
    if name in leg.world.held or is_persons(leg, step.stage, found):
        return inputs, None, waits
    row = leg.values.made(step.stage.name).get(name)
    present = row is not None and found == row.digest
    why = why_stale(step.base, inputs, row, present, leg.recipes)
    if why is Why.GONE and found is not None:  # what is not ours is a person's, and was read
        why = Why.PERSON
    return inputs, why, waits


def publish_view(leg: Leg, step: Step, report: Report) -> bool:
    """Bring one whole-file view up to date; return whether it was written."""
    stage = step.stage
    file = view_file(leg, stage)
    name = leg.world.place.name(file)
    found = _found(leg, file)
    recover_sheet.take_over(leg, step)
    wrote = leg.world.outputs.get(name)
    inputs, why, _ = plan_view(leg, step)
    if is_persons(leg, stage, found):
        ours = wrote is not None or bool(traces.sheet_rows(file, leg.world))
        report.notes.append(kept(file, ours))
    if why is None:
        _keep_copy(leg, file, name)
        return False
    if found is not None and wrote is None:
        raise DatasetError(
            f"`{os.path.relpath(file)}` is there already and was not written for this folder",
            _elsewhere(leg, stage),
        )
    if found is not None and found != leg.world.on_disk.get(name, found):
        report.notes.append(f"kept `{os.path.relpath(file)}`: it was edited just now; run again")
        return False
    page = made(leg, step)
    data = page.data
    digest = digest_bytes(data)
    outputs = [publish.Output(file, name, data)] if digest != found else []
    copy = published_copy(digest)
    outputs.insert(0, publish.Output(leg.world.place.file(copy), copy, data))

    def done() -> None:
        leg.ledger.record(stage.name, [(name, Made(step.base, inputs, digest), None)], again=False)
        leg.ledger.wrote(name, digest)  # also where a person had typed just what we would write
        _remember(leg, name, page)

    publish.publish(leg.ledger, outputs, done)
    leg.world.outputs |= {name: digest, copy: digest}
    leg.values.forget(stage.name)
    drop_copies(leg)
    if len(outputs) > 1:
        report.published.append(os.path.relpath(file))
    return len(outputs) > 1


def _keep_copy(leg: Leg, file: Path, name: str) -> None:
    """Write our copy of an unedited file again where it is lost or damaged."""
    wrote = leg.world.outputs.get(name)
    if wrote is None or leg.world.on_disk.get(name, wrote) != wrote or not file.exists():
        return
    copy = published_copy(wrote)
    path = leg.world.place.file(copy)
    if leg.digests.of(str(path.absolute())) == wrote:
        return
    data = content(file, MOST_TABLE)
    if digest_bytes(data) == wrote:
        publish.publish(leg.ledger, [publish.Output(path, copy, data)])


def _elsewhere(leg: Leg, stage: Stage) -> str:
    """Return what a person can do where a file is in the way of a dataset file."""
    if link_before(stage.writes) is not None:
        return "move it away, then run the same command again"
    return f"name another file with {leg.context.names_meta}, or move it away"


def page_of(leg: Leg, stage: Stage) -> Page | None:
    """Return what a view's file, as it was last published, has to tell; without its bytes."""
    return page_named(leg, leg.world.place.name(view_file(leg, stage)))


def page_named(leg: Leg, name: str) -> Page | None:
    """Return the same of the file that the ledger knows by `name`."""
    found = leg.ledger.fact(_ACCOUNT + name)
    if found is None:
        return None
    return Page(b"", found["failed"], found["rejected"], Account(**found["account"]))


def made(leg: Leg, step: Step) -> Page:
    """Return what a view's file would be now."""
    loaded = [step.stage.load(step.params, step.found)] if step.stage.load is not None else []
    page: bytes | Page = step.stage.run(rows_of(leg, step), step.params, *loaded)
    return page if isinstance(page, Page) else Page(page)


def _remember(leg: Leg, name: str, page: Page) -> None:
    """Keep what a dataset file has to tell: every run tells it, also one that writes nothing."""
    if page.account is not None:
        told = {"failed": dict(page.failed), "rejected": dict(page.rejected)}
        leg.ledger.set_fact(_ACCOUNT + name, told | {"account": page.account.facts()})


def _found(leg: Leg, file: Path) -> str | None:
    return of_file(file, leg.digests)


def drop_copies(leg: Leg) -> None:
    """Remove our copies of versions that no file has any more."""
    outputs = leg.world.outputs
    held = {published_copy(d) for name, d in outputs.items() if not _is_copy(name)}
    for name in [name for name in outputs if _is_copy(name) and name not in held]:
        publish.remove(leg.ledger, leg.world.place.file(name), name)
        del outputs[name]


def _is_copy(name: str) -> bool:
    return name.startswith(published_copy(""))


def rows_of(leg: Leg, step: Step) -> Rows:
    """Return all that a view shows; a row is read when it is asked for."""
    needs = step.stage.needs()
    left_out = _left_out(leg, step)
    keys = dict.fromkeys(key for key in sorted(leg.world.digests) if key not in left_out)
    rows = _RowsRead(keys, lambda key: {name: _value(leg, name, key) for name, _ in needs})
    previous = previous_file(leg, step.stage)
    facts = _facts(leg, step, content(previous, MOST_TABLE) if previous else None)
    return Rows(rows, left_out, facts, _failures(leg, step.stage))


def sheet_row(leg: Leg, key: str) -> "Row | None":
    """Return the row of a sample as a sheet would show it now; None where it has none."""
    from prep.sheets.row import exported_row

    view = next(s for s in leg.context.stages.values() if s.writes == SHEET)
    if key not in leg.world.digests:
        return None
    return exported_row(key, {name: _value(leg, name, key) for name, _ in view.needs()})


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


def _value(leg: Leg, name: str, key: str) -> Any:
    value = leg.values.value(name, key)
    if isinstance(value, Made):  # a large result: the view is told where it lies
        return large_file(leg.values.producers[name], value.digest)
    return value


def _left_out(leg: Leg, step: Step) -> dict[str, str]:
    """Return key -> reason for every picture, of this folder and those before, that has no row."""
    out = dict(fanout.lost_before(leg)) | leg.world.faulty
    needs = step.stage.needs()
    if ("keep", True) not in needs:
        out |= leg.world.dropped
    for name, optional in needs:
        if not optional and name != "digest":
            found = leg.values.digests(name)
            for key in leg.world.digests:
                if key not in found and key not in out:
                    out[key] = leg.values.why_absent(name, key)
    return dict(sorted(out.items()))


def _failures(leg: Leg, stage: Stage) -> dict[str, dict[str, str]]:
    """Return artifact -> key -> why no stage could make it, of those a dataset file may lack."""
    if not stage.writes.startswith("meta"):
        return {}
    each = {name: leg.values.failures(name) for name, optional in stage.needs() if optional}
    return {name: found for name, found in each.items() if found}


def previous_file(leg: Leg, stage: Stage) -> Path | None:
    """Return the dataset file that this one continues; None for the first of the chain."""
    before = link_before(stage.writes)
    if before is None or leg.order.meta is None:
        return None
    file = link_of(leg.order.meta, before)
    if not file.exists():
        raise DatasetError(
            f"there is no `{os.path.relpath(file)}`", "run the stage before this one, or `prep run`"
        )
    return file


def _facts(leg: Leg, step: Step, previous: bytes | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "program": f"prep {__version__}",
        "made_by": made_by(leg, step.stage),
    }
    if step.stage.writes.startswith("meta"):
        file = view_file(leg, step.stage).absolute()
        folder = file.parent
        place = leg.order.place
        facts["file"] = file.name
        facts["root"] = Path(os.path.relpath(place.root, folder)).as_posix()
        facts["state"] = Path(os.path.relpath(place.state, folder)).as_posix()
    if previous:
        facts["previous"] = previous
    return facts
