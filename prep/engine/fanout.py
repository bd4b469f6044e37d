"""Fan-outs: pictures of one folder -> pictures of another, with their lineage.

State lives with the output. A derived picture that a person edited is kept and named; one whose
source is gone is removed, unless somebody edited it.
"""

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from prep import artifacts, files
from prep.engine import cutting, fanout_files, others, publish
from prep.engine.compute import Outcome
from prep.engine.decoded import UnwrittenError
from prep.engine.digests import Digests
from prep.engine.drift import told_changes
from prep.engine.ledger import Ledger
from prep.engine.ledger_file import snapshot
from prep.engine.leg import Context, Leg, Order
from prep.engine.plan import Plan, Step, plan_map
from prep.engine.recipe import Made
from prep.engine.report import Report
from prep.engine.scan import clock, no_pictures, scan, unreachable
from prep.engine.values import Values
from prep.engine.world import World, adopt_intended, check_gone, read_digests
from prep.keys import nfc
from prep.stage import Shape

_BATCH = 32
_COMMIT_S = 2.0


def open_source(order: Order, context: Context, ledger: Ledger) -> Leg:
    """Return a leg whose world is the source folder and whose ledger is the output's."""
    for note in ledger.notes:
        context.console.note(note)
    source = order.source or order.place
    folder = scan(source.root, (), source.state)
    if not folder.pictures and not folder.faulty:
        raise no_pictures(folder)
    digests = Digests(ledger, clock(order.place.state))
    world = World(source, folder, faulty=dict(folder.faulty), outputs=ledger.outputs())
    read_digests(world, digests)
    for asked in order.asked:
        world.faulty |= unreachable(folder, ledger.made(asked.stage.name))
    if not context.accept_missing:
        _check_gone(order, ledger, world)
    adopt_intended(order.place, world.outputs, ledger.intents(), digests)
    return Leg(order, context, ledger, world, Values(world, ledger, {}), digests)


def _check_gone(order: Order, ledger: Ledger, world: World) -> None:
    """Stop where many sources vanished: what was made of them would be removed."""
    known: dict[str, str] = {}
    for asked in order.asked:
        known |= {key: made.inputs for key, made in ledger.made(asked.stage.name).items()}
    there = set(world.digests.values())
    gone = [
        key
        for key, digest in known.items()
        if key not in world.digests and key not in world.faulty and digest not in there
    ]
    check_gone(len(gone), len(world.digests) + len(world.faulty), world.place.root)


def plan(leg: Leg, step: Step) -> Plan:
    """Return which source pictures have to be taken again."""
    there = (
        {nfc(name) for name in scan(leg.order.place.root, ()).pictures} if _exists(leg) else set()
    )

    def present(made: Made) -> bool:
        if made.state != "made":
            return True
        body = leg.ledger.body(made.digest)
        return all(child["name"] in there for child in artifacts.loaded(body))

    return plan_map(step, leg.values, leg.world.digests, leg.recipes, present)


def carry_out(order: Order, context: Context, ledger: Ledger) -> Report:
    """Bring the output folder up to date with the source folder."""
    leg = open_source(order, context, ledger)
    there = others.unknown(leg.world.folder.others, ())
    report = Report(
        total=leg.world.num_pictures(),
        others=there,
        source=os.path.relpath(leg.world.place.root),
    )
    report.failed |= leg.world.faulty
    place, source = order.place, leg.world.place
    for folder in {*(scan(place.root, ()).scratch if _exists(leg) else ()), place.state}:
        publish.sweep_scratch(Path(folder), place.state)
    with ledger.batch():
        known = ledger.outputs()
        for name, digest in leg.world.outputs.items():
            if known.get(name) != digest:
                ledger.wrote(name, digest)
        ledger.settle()
        leg.digests.record()
        ledger.set_fact("source_state", fanout_files.relative(source.state, place.state))
        ledger.set_fact("source_faulty", leg.world.faulty)
    for asked in order.asked:
        step = leg.number_for_good(leg.step(asked))
        report.notes += told_changes(leg, step)
        todo = plan(leg, step)
        report.made[asked.stage.name] = _make(leg, todo, report)
        report.kept[asked.stage.name] = todo.kept
        _remove_derived(leg, asked.stage.name, report)
        for key, made in leg.values.made(asked.stage.name).items():
            if made.state != "made" and key in leg.world.digests:
                (report.failed if made.state == "failed" else report.rejected)[key] = made.why
    return report


def _make(leg: Leg, todo: Plan, report: Report) -> int:
    if not todo.run:
        return 0
    stage = todo.step.stage
    waiting, since = list[Outcome](), time.monotonic()
    console, jobs = leg.context.console, leg.context.jobs
    made = cutting.outcomes(
        todo, leg.values, jobs, report.notes.append, partial(fanout_files.parts_of, leg)
    )
    try:
        with (
            console.progress(stage.name, len(todo.run)) as progress,
            closing(made),  # the files of pictures under way are removed
            _disk_errors(leg),
        ):
            for outcome in made:
                progress.advance()
                console.detail(f"{stage.name}: {outcome.key}: {outcome.state}")
                if outcome.passing:
                    report.failed[outcome.key] = outcome.why
                else:
                    waiting.append(outcome)
                if len(waiting) >= _BATCH or time.monotonic() - since > _COMMIT_S:
                    batch, waiting, since = waiting, [], time.monotonic()
                    fanout_files.publish_parts(leg, todo.step, batch, report)
    finally:
        # Also when a person stops the run.
        fanout_files.publish_parts(leg, todo.step, waiting, report)
    leg.values.forget(stage.name)
    return len(todo.run)


@contextmanager
def _disk_errors(leg: Leg) -> Iterator[None]:
    try:
        yield
    except UnwrittenError as error:
        with files.disk_errors(error.parts[0].to.parent, leg.ledger.state):
            raise error.error from None


def _remove_derived(leg: Leg, stage: str, report: Report) -> None:
    """Remove pictures that no source yields any more, unless a person edited them."""
    made = leg.values.made(stage)
    samples = leg.ledger.samples()
    for key, edited in unwanted(leg, stage):
        if edited:
            report.edited.append(key)
            continue
        # Said first: a run that dies in between must not take it for vanished.
        digest, lineage = samples[key]
        told = artifacts.loaded((lineage or "{}").encode()) | {"removed": True}
        with leg.ledger.batch():
            leg.ledger.set_lineage(key, digest, artifacts.dumped(told).decode())
        publish.remove(leg.ledger, leg.order.place.root / key, key)
        report.removed.append(key)
    gone = [key for key in made if key not in leg.world.digests and key not in leg.world.faulty]
    if gone:
        with leg.ledger.batch():
            leg.ledger.forget(stage, gone)
        leg.values.forget(stage)


def lost_before(leg: Leg) -> Iterator[tuple[str, str]]:
    """Yield the pictures that a fan-out before this folder could not take, and why."""
    state, ledger = leg.order.place.state.absolute(), leg.ledger
    stages = [s.name for s in leg.context.stages.values() if s.shape is Shape.FAN_OUT]
    seen = {state}
    while True:
        yield from (ledger.fact("source_faulty") or {}).items()
        rows = [(k, made) for name in stages for k, made in ledger.made(name).items()]
        yield from ((key, made.why) for key, made in rows if made.state != "made")
        source = ledger.fact("source_state")
        if ledger is not leg.ledger:
            ledger.close()
        if source is None:
            return
        state = Path(os.path.normpath(state / source))
        if state in seen:
            return
        seen.add(state)
        ledger = snapshot(state)


def unwanted(leg: Leg, stage: str) -> Iterator[tuple[str, bool]]:
    """Yield each derived picture that no source yields any more, and whether a person edited it."""
    there = [*leg.world.digests, *leg.world.faulty]
    wanted = {name for key in there for name in children(leg, stage, key)}
    for key, (_, lineage) in leg.ledger.samples().items():
        told = artifacts.loaded(lineage.encode()) if lineage else {}
        if told.get("kind") != stage or key in wanted:
            continue
        path = leg.order.place.root / key
        if path.exists():
            found = leg.digests.of(os.fspath(path.absolute()))
            yield key, found != leg.world.outputs.get(key)


def children(leg: Leg, stage: str, key: str) -> list[str]:
    """Return the keys of the pictures that a stage made of a source picture."""
    made = leg.values.made(stage).get(key)
    body = leg.ledger.body(made.digest) if made and made.state == "made" else None
    return [child["name"] for child in artifacts.loaded(body)] if body else []


def _exists(leg: Leg) -> bool:
    return leg.order.place.root.is_dir()
