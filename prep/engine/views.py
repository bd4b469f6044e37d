"""Files that are only a view of the ledger: sidecars, the sheet, the dataset files."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from prep import __version__, tags
from prep.chain import link_before, link_of
from prep.engine import metafiles, publish
from prep.engine.ledger_file import snapshot
from prep.engine.leg import Leg, large_file
from prep.engine.plan import Step, set_inputs
from prep.engine.recipe import Made, Why, why_stale
from prep.engine.report import Report
from prep.engine.scan import stem
from prep.engine.world import INHERITED, SHEET
from prep.errors import DatasetError
from prep.files import canonical, digest_bytes
from prep.stage import Rows, Shape, Stage

_BATCH = 256


def stale_sidecars(leg: Leg, step: Step) -> dict[str, str]:
    """Return key -> text for each sidecar that does not say what it should."""
    stage, world = step.stage, leg.world
    suffix = next((s for s, name in world.place.sidecars.items() if name == stage.writes), None)
    if suffix is None:
        return {}
    of = leg.values.digest(stage.writes)
    made = leg.values.made(stage.name)
    stale: dict[str, str] = {}
    for key in world.digests:
        if key in world.clashing or (key, stage.writes) in world.conflicts:
            continue
        edit = world.edits.get((key, stage.writes))
        verbatim = edit is not None and edit.source != SHEET
        there = world.on_disk.get(world.sidecar(key, suffix))
        if edit is not None and verbatim and edit.file and edit.file == there:
            continue
        row = made.get(key)
        if row and there == row.digest and row.base == step.base and row.inputs == of(key):
            continue
        value = leg.values.value(stage.writes, key)
        if value is not None:
            said = edit.value if edit is not None and verbatim else stage.run(value, step.params)
            stale[key] = str(said)
    return stale


def publish_sidecars(leg: Leg, step: Step) -> int:
    """Write the sidecars that are stale; return how many changed on the disk."""
    stale = stale_sidecars(leg, step)
    suffix = next((s for s, n in leg.world.place.sidecars.items() if n == step.stage.writes), "")
    of = leg.values.digest(step.stage.writes)
    keys = sorted(stale)
    written = 0
    for start in range(0, len(keys), _BATCH):
        outputs, rows = [], []
        for key in keys[start : start + _BATCH]:
            data = tags.encoded(stale[key])
            file = Path(leg.world.sidecar_file(key, suffix))
            rows.append((key, Made(step.base, of(key), digest_bytes(data)), None))
            name = leg.world.sidecar(key, suffix)
            if leg.world.on_disk.get(name) != digest_bytes(data):
                outputs.append(publish.Output(file, name, data))
            leg.world.on_disk[name] = digest_bytes(data)
        publish.publish(leg.ledger, outputs, partial(_sidecars_done, leg, step.stage, rows))
        written += len(outputs)
    leg.values.forget(step.stage.name)
    return written


def _sidecars_done(leg: Leg, stage: Stage, rows: Sequence[tuple[str, Made, None]]) -> None:
    """Record sidecars, and of each edit that it now stands in a file: the base of the next one."""
    leg.ledger.record(stage.name, rows, again=False)
    for key, made, _ in rows:
        edit = leg.world.edits.get((key, stage.writes))
        if edit is not None and edit.source != INHERITED and edit.file != made.digest:
            leg.world.edits[key, stage.writes] = replace(edit, file=made.digest)
            leg.ledger.edit(key, stage.writes, leg.world.edits[key, stage.writes])


def remove_orphans(leg: Leg, report: Report) -> None:
    """Remove our sidecars of pictures that are gone; those a person edited stay and are named."""
    stems = {stem(key) for key in leg.world.folder.pictures}
    persons = {edit.file for edit in leg.world.edits.values()}
    for name, file in leg.world.folder.sidecars.items():
        wrote = leg.world.outputs.get(name)
        if stem(name) in stems or wrote is None:
            continue
        if leg.digests.of(file) == wrote and wrote not in persons:
            publish.remove(leg.ledger, Path(file), name)
            report.removed.append(name)
            continue
        report.edited.append(name)  # named once: from now on it is no concern of ours
        with leg.ledger.batch():
            leg.ledger.wrote(name, None)


def view_file(leg: Leg, stage: Stage) -> Path:
    """Return the file that a view writes."""
    if stage.writes.startswith("meta"):
        head = leg.order.meta or leg.order.place.root.parent / "meta.json"
        return link_of(head, stage.writes)
    return leg.order.place.root / stage.writes


def plan_view(leg: Leg, step: Step) -> tuple[str, Why | None, bool]:
    """Return a view's inputs, why it is stale (None: up to date), and whether it waits."""
    file = view_file(leg, step.stage)
    name = leg.world.place.name(file)
    extra = canonical(
        [_facts(leg, step, b""), sorted(leg.world.dropped.items()), _left_out(leg, step)]
    )
    previous = _previous(leg, step.stage)
    extra += leg.digests.of(str(previous.absolute())) or "" if previous is not None else ""
    inputs, waits = set_inputs(step, leg.values, leg.world.digests, extra)
    if name in leg.world.held:
        return inputs, None, waits
    made = leg.values.made(step.stage.name).get(name)
    found = leg.digests.of(str(file.absolute())) if file.exists() else None
    present = made is not None and found == made.digest
    return inputs, why_stale(step.base, inputs, made, present, leg.recipes), waits


def publish_view(leg: Leg, step: Step, report: Report) -> bool:
    """Bring one whole-file view up to date; return whether it was written."""
    stage = step.stage
    file = view_file(leg, stage)
    name = leg.world.place.name(file)
    inputs, why, _ = plan_view(leg, step)
    if why is None:
        return False
    found = leg.digests.of(str(file.absolute())) if file.exists() else None
    wrote = leg.world.outputs.get(name)
    if found is not None and found != wrote and not _may_replace(stage, file, wrote, report):
        return False
    args: list[Any] = [rows_of(leg, step), step.params]
    if stage.load is not None:
        args.append(stage.load(step.params, step.found))
    data: bytes = stage.run(*args)
    digest = digest_bytes(data)
    outputs = [publish.Output(file, name, data)] if digest != found else []
    copy = metafiles.published_copy(digest)
    outputs.insert(0, publish.Output(leg.world.place.file(copy), copy, data))

    def done() -> None:
        leg.ledger.record(stage.name, [(name, Made(step.base, inputs, digest), None)], again=False)
        leg.ledger.wrote(name, digest)  # also where a person had typed just what we would write

    publish.publish(leg.ledger, outputs, done)
    leg.world.outputs[name] = digest
    leg.values.forget(stage.name)
    _drop_copy(leg, wrote, digest)
    if len(outputs) > 1:
        report.published.append(os.path.relpath(file))
    return len(outputs) > 1


def _may_replace(stage: Stage, file: Path, wrote: str | None, report: Report) -> bool:
    """Return whether a file that is not as we wrote it may be written; else say what to do."""
    shown = os.path.relpath(file)
    if not stage.writes.startswith("meta"):
        report.notes.append(
            f"kept `{shown}`: it was edited and not yet imported; "
            f"take it over with `prep review import {shown}`"
        )
        return False
    if wrote is None:
        raise DatasetError(
            f"`{shown}` is there already and was not written for this folder",
            "name another file with `--out`, or move it away",
        )
    return True


def _drop_copy(leg: Leg, old: str | None, new: str) -> None:
    """Remove our copy of the version before, unless another file still has the same bytes."""
    if not old or old == new:
        return
    copy = metafiles.published_copy(old)
    if all(name == copy for name, digest in leg.world.outputs.items() if digest == old):
        publish.remove(leg.ledger, leg.world.place.file(copy), copy)


def rows_of(leg: Leg, step: Step) -> Rows:
    """Return all that a view shows."""
    needs = step.stage.needs()
    left_out = _left_out(leg, step)
    rows: dict[str, dict[str, Any]] = {}
    for key in sorted(leg.world.digests):
        if key not in left_out:
            rows[key] = {name: _value(leg, name, key) for name, _ in needs}
    previous = _previous(leg, step.stage)
    return Rows(rows, left_out, _facts(leg, step, previous.read_bytes() if previous else None))


def _value(leg: Leg, name: str, key: str) -> Any:
    value = leg.values.value(name, key)
    if isinstance(value, Made):  # a large result: the view is told where it lies
        return large_file(leg.values.producers[name], value.digest)
    return value


def _left_out(leg: Leg, step: Step) -> dict[str, str]:
    """Return key -> reason for every picture, of this folder and those before, that has no row."""
    out = dict(_before(leg)) | leg.world.faulty
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


def _before(leg: Leg) -> Iterator[tuple[str, str]]:
    """Yield the pictures that a fan-out before this folder could not take, and why."""
    state, ledger = leg.order.place.state.absolute(), leg.ledger
    seen = {state}
    while True:
        source = ledger.fact("source_state")
        stages = [s.name for s in leg.context.stages.values() if s.shape is Shape.FAN_OUT]
        rows = [(k, made) for name in stages for k, made in ledger.made(name).items()]
        yield from ((key, made.why) for key, made in rows if made.state != "made")
        if ledger is not leg.ledger:
            ledger.close()
        if source is None:
            return
        state = Path(os.path.normpath(state / source))
        if state in seen:
            return
        seen.add(state)
        ledger = snapshot(state)


def _previous(leg: Leg, stage: Stage) -> Path | None:
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
        "made_by": _made_by(leg, step.stage),
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


def _made_by(leg: Leg, view: Stage) -> dict[str, Any]:
    """Return stage -> version and params, for every stage whose results the view shows."""
    found: dict[str, Any] = {}
    names = [name for name, _ in view.needs()]
    while names:
        producer = leg.values.producers.get(names.pop())
        if producer is None or producer.name in found:
            continue
        parts = [leg.recipes.get(base, {}) for base in _bases(leg, producer)]
        told = [{k: p[k] for k in ("version", "params", "models")} for p in parts if p]
        found[producer.name] = sorted(told, key=canonical)
        names += [name for name, _ in producer.needs()]
    return {
        name: parts[0] if len(parts) == 1 else parts
        for name, parts in sorted(found.items())
        if parts
    }


def _bases(leg: Leg, producer: Stage) -> set[int]:
    """Return the recipes behind what a stage's artifact says now of the samples that are shown."""
    rows, dropped = leg.values.made(producer.name), leg.world.dropped
    persons = leg.values.persons(producer.writes) if producer.yields else {}
    return {
        rows[key].base
        for key in leg.world.digests
        if key in rows and key not in dropped and key not in persons
    }
