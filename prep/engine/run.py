"""Carry a plan out: compute what is stale, publish it, account for every picture."""

import time
from collections.abc import Collection, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from prep import artifacts
from prep.engine import fanout, operations, others, publish, sidecars, views
from prep.engine.accounting import account_for, unowned_of_source
from prep.engine.compute import Outcome, outcomes
from prep.engine.drift import told_changes
from prep.engine.edited_sheets import not_imported
from prep.engine.ledger_file import opened
from prep.engine.leg import Context, Leg, Order, large_file, open_leg
from prep.engine.lock import held
from prep.engine.plan import Plan, Step
from prep.engine.recipe import Made
from prep.engine.recover import recover
from prep.engine.report import Report
from prep.engine.world import INHERITED, Known
from prep.files import digest_bytes
from prep.stage import Shape, Stage

_COMMIT_SAMPLES = 256
_COMMIT_S = 2.0


def carry_out(order: Order, context: Context) -> Report:
    """Bring one folder up to date with what is asked of it.

    Raises:
        HeldError: Another run holds the dataset.
        UserError: Something a person has to mend; what was made until then is kept.
    """
    with held(order.place.state), opened(order.place.state) as ledger:
        if order.source is not None:
            report = fanout.carry_out(order, context, ledger)
            report.unowned |= unowned_of_source(order.source)
            return report
        leg = open_leg(order, context, ledger)
        edited = remember(leg) + operations.mend(leg)
        there = others.unknown(leg.world.folder.others, leg.world.outputs)
        report = Report(edited=edited, total=leg.world.num_pictures(), others=there)
        sidecars.remove_orphans(leg, report)
        views.drop_copies(leg)
        recover(leg, take_step, report)
        for asked in order.asked:
            take_step(leg, leg.number_for_good(leg.step(asked)), report)
        report.notes += not_imported(leg)
        account_for(leg, report)
        with ledger.batch():
            leg.digests.record()
        return report


def remember(leg: Leg) -> list[str]:
    """Let the ledger learn what the disk says: renames, edits, digests, what a dead run left.

    Returns:
        The files in which a person wrote something that was not known yet.
    """
    world, ledger = leg.world, leg.ledger
    sweep(leg.order, world.folder.scratch)
    for file in world.overruled:  # before it is forgotten that they are ours
        Path(file).unlink(missing_ok=True)
    with ledger.batch():
        edited = _remember_edits(leg)
        known = world.known.outputs
        if known != world.outputs:
            for name in sorted(known.keys() | world.outputs.keys()):
                if known.get(name) != world.outputs.get(name):
                    ledger.wrote(name, world.outputs.get(name))
        ledger.settle()
        leg.digests.record()
        before = world.known.samples
        lineage = {key: artifacts.dumped(value).decode() for key, value in world.lineage.items()}
        now = {key: (digest, lineage.get(key)) for key, digest in world.digests.items()}
        # A picture that cannot be read today keeps its place, so that nothing is taken for gone.
        now |= {key: row for key, row in before.items() if key in world.faulty}
        if now != before:
            ledger.know_samples(now)
    world.known = Known({}, {}, {})  # of a million samples, it would be a good part of the memory
    return edited


def sweep(order: Order, folders: Iterable[str]) -> None:
    """Remove what runs of this dataset that died left in its folders, and beside its files."""
    beside = {order.meta.absolute().parent} if order.meta is not None else set()
    for folder in {Path(folder) for folder in folders} | beside | {order.place.state}:
        publish.sweep_scratch(folder, order.place.state)


def _remember_edits(leg: Leg) -> list[str]:
    for old, new in leg.world.renamed:
        leg.ledger.rename(old, new)
    now = leg.world.edits
    known = leg.ledger.edits() if leg.world.renamed else leg.world.known.edits
    fresh: set[str] = set()
    if known == now:
        return []
    for at in sorted(known.keys() | now.keys()):
        was, edit = known.get(at), now.get(at)
        if was != edit:
            leg.ledger.edit(*at, edit)
        if edit and edit.source != INHERITED and (was is None or was.value != edit.value):
            fresh.add(edit.source)
    return sorted(fresh)


def take_step(leg: Leg, step: Step, report: Report) -> None:
    """Do what one step has to do."""
    stage = step.stage
    report.notes += told_changes(leg, step)
    match stage.shape:
        case Shape.SIDECAR:
            report.made[stage.name] = sidecars.publish_sidecars(leg, step, report)
        case Shape.VIEW:
            report.made[stage.name] = int(views.publish_view(leg, step, report))
        case Shape.DECISION:
            plan = leg.plan(step)
            _decide(leg, plan)
            leg.values.forget(stage.name)  # long rows, and few stages read them
            report.made[stage.name] = len(plan.run)
        case Shape.MAP | Shape.FAN_OUT:
            plan = leg.plan(step)
            report.made[stage.name] = _make(leg, plan, report)
            report.kept[stage.name] = plan.kept


def _decide(leg: Leg, plan: Plan) -> None:
    if not plan.run:
        return
    stage, values = plan.step.stage, leg.values
    names = [name for name, _ in stage.needs()]
    samples = {key: tuple(values.value(name, key) for name in names) for key in sorted(plan.run)}
    answers = stage.run(samples, plan.step.params)
    rows = []
    for key, (inputs, _) in plan.run.items():
        body = artifacts.dumped(answers[key])
        rows.append((key, Made(plan.step.base, inputs, digest_bytes(body)), body))
    with leg.ledger.batch():
        leg.ledger.record(stage.name, rows, again=False)
    values.forget(stage.name)


def _make(leg: Leg, plan: Plan, report: Report) -> int:
    """Compute what a map has to make; return how many samples were computed or adopted."""
    if not plan.run:
        return 0
    adopted, first, followers = _shared(leg, plan)
    if adopted:
        with leg.ledger.batch():
            leg.ledger.record(plan.step.stage.name, adopted)
    count = len(adopted)
    _withdraw(leg, plan, plan.run.keys() - {key for key, _, _ in adopted})
    todo = Plan(plan.step, {key: plan.run[key] for key in first})
    writer = _Writer(leg, plan.step, followers)
    console = leg.context.console
    try:
        notes, jobs = report.notes, leg.context.jobs
        with (
            console.progress(plan.step.stage.name, len(first)) as progress,
            closing(outcomes(todo, leg.values, jobs, notes.append, console.wrong)) as computed,
        ):
            for done in computed:
                progress.advance(len(done))
                for outcome in done:
                    console.detail(f"{plan.step.stage.name}: {outcome.key}: {outcome.state}")
                    count += 1 + len(followers.get(outcome.key, ()))
                    if outcome.passing:
                        report.failed[outcome.key] = outcome.why
                writer.add(done)
    finally:
        writer.commit()  # also when a person stops the run: nothing that was made is lost
    leg.values.forget(plan.step.stage.name)
    return count


def _withdraw(leg: Leg, plan: Plan, keys: Collection[str]) -> None:
    """Let earlier answers of a model speak no more for samples that it is asked about anew.

    What comes after them goes too, so that a run that ends early leaves no words of yesterday. The
    recipes still give what they gave.
    """
    stage, command = plan.step.stage, plan.step.command
    rows = leg.values.made(stage.name)
    old = [key for key in sorted(keys) if key in rows and rows[key].state == "made"]
    if stage.batch is None or stage.suffix is not None or not old:
        return
    why = f"what `prep {command}` is asked now was not answered yet: run it again"
    unanswered = Made(plan.step.base, "", "", "failed", why)
    with leg.ledger.batch():
        leg.ledger.record(stage.name, ((key, unanswered, None) for key in old), again=False)
        for later in _after(leg, stage):
            leg.ledger.forget(later.name, old, past=False)
            leg.values.forget(later.name)
    leg.values.forget(stage.name)


def _after(leg: Leg, stage: Stage) -> list[Stage]:
    """Return the maps of the same command that cannot do without what a stage makes."""
    found = [stage]
    for one in found:
        found += [
            later
            for later in leg.values.producers.values()
            if later.shape is Shape.MAP
            and later.commands == stage.commands
            and (one.writes, False) in later.needs()
            and later not in found
        ]
    return found[1:]


def _shared(
    leg: Leg, plan: Plan
) -> tuple[list[tuple[str, Made, None]], list[str], dict[str, list[str]]]:
    """Divide samples into those made before, the first of each kind, and its twins."""
    before = made_before(leg, plan)
    adopted = [(key, made, None) for key, made in before.items()]
    first: dict[str, str] = {}
    followers: dict[str, list[str]] = {}
    for key in sorted(plan.run.keys() - before.keys()):
        inputs = plan.run[key][0]
        if inputs in first:
            followers.setdefault(first[inputs], []).append(key)
        else:
            first[inputs] = key
    return adopted, list(first.values()), followers


def made_before(leg: Leg, plan: Plan) -> dict[str, Made]:
    """Return key -> result for what the same recipe made before, perhaps of another sample."""
    stage = plan.step.stage
    present = leg.present(stage)
    found: dict[str, Made] = {}
    for key in sorted(plan.run):
        past = leg.ledger.past(stage.name, plan.run[key][0], plan.step.base)
        if past is not None and (past.state != "made" or present(past)):
            found[key] = past
    return found


class _Writer:
    """Gathers outcomes and makes them durable every 256 samples or 2 seconds."""

    def __init__(self, leg: Leg, step: Step, followers: dict[str, list[str]]) -> None:
        self._leg, self._step, self._followers = leg, step, followers
        self._rows: list[tuple[str, Made, bytes | None]] = []
        self._passing: list[tuple[str, Made, bytes | None]] = []  # failures to be tried again
        self._outputs: dict[str, publish.Output] = {}
        self._since = time.monotonic()

    def add(self, done: list[Outcome]) -> None:
        for outcome in done:
            made, body = self._made(outcome)
            rows = self._passing if outcome.passing else self._rows
            rows += [
                (key, made, body) for key in (outcome.key, *self._followers.get(outcome.key, ()))
            ]
        late = time.monotonic() - self._since > _COMMIT_S
        many = len(self._rows) + len(self._passing) >= _COMMIT_SAMPLES
        if late or self._step.stage.dear or many:
            self.commit()

    def commit(self) -> None:
        rows, self._rows = self._rows, []
        passing, self._passing = self._passing, []
        outputs, self._outputs = list(self._outputs.values()), {}
        self._since = time.monotonic()

        def record() -> None:
            name, ledger = self._step.stage.name, self._leg.ledger
            ledger.record(name, rows)
            ledger.record(name, passing, again=False)

        if rows or passing:
            publish.publish(self._leg.ledger, outputs, record)

    def _made(self, outcome: Outcome) -> tuple[Made, bytes | None]:
        stage, base = self._step.stage, self._step.base
        if outcome.state != "made":
            inputs = "" if outcome.passing else outcome.inputs
            return Made(base, inputs, "", outcome.state, outcome.why), None
        data: Any = outcome.value
        body: bytes = data if stage.packed or stage.suffix else artifacts.dumped(data)
        made = Made(base, outcome.inputs, digest_bytes(body))
        if stage.suffix is None:
            return made, body
        name = large_file(stage, made.digest)
        path = self._leg.order.place.state / name
        if self._leg.digests.of(str(path.absolute())) != made.digest:
            self._outputs[name] = publish.Output(path, f"state:{name}", body)
        return made, None
