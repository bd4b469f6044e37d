"""Carry a plan out: compute what is stale, publish it, account for every picture."""

import time
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from prep.engine import bulk_edits, fanout, published_files, recover_sheet, sidecars
from prep.engine.accounting import account_for, unowned_texts_of_source
from prep.engine.compute import Outcome, outcomes
from prep.engine.edited_sheets import not_imported
from prep.engine.inventory.inventory import INHERITED, Baseline
from prep.engine.opening import locked_session
from prep.engine.param_changes import note_changes
from prep.engine.plan import PlannedStage, StagePlan
from prep.engine.recover import recover
from prep.engine.report import Report
from prep.engine.session import Context, Job, Session, large_file
from prep.engine.state import artifacts, publish
from prep.engine.state.recipe import Made
from prep.runtime.files import digest_bytes
from prep.stage import Shape, Stage

_COMMIT_SAMPLES = 256
_COMMIT_S = 2.0


def carry_out(job: Job, context: Context) -> Report:
    """Bring one folder up to date with what is asked of it.

    Raises:
        HeldError: Another run holds the dataset.
        UserError: Something a person has to mend; what was made until then is kept.
    """
    with locked_session(job, context) as session:
        if job.source is not None:
            report = fanout.carry_out(session)
            report.unowned |= unowned_texts_of_source(job.source, session.inventory.declared.texts)
            return report
        edited = remember(session) + bulk_edits.mend(session)
        there = session.inventory.unknown_files()
        report = Report(edited=edited, total=session.inventory.num_pictures(), others=there)
        sidecars.remove_orphans(session, report)
        published_files.drop_copies(session)
        recover(session, take_step, report)
        for asked in job.asked:
            take_step(session, session.number_for_good(session.step(asked)), report)
        report.notes += not_imported(session)
        account_for(session, report)
        return report


def remember(session: Session) -> list[str]:
    """Let the ledger learn what the disk says: renames, edits, digests, what a dead run left.

    Returns:
        The files in which a person wrote something that was not known yet.
    """
    inventory, ledger = session.inventory, session.ledger
    sweep(session.job, inventory.folder.scratch)
    for file in inventory.overruled:  # before it is forgotten that they are ours
        Path(file).unlink(missing_ok=True)
    with ledger.batch():
        edited = _remember_edits(session)
        known = inventory.known.outputs
        if known != inventory.outputs:
            for name in sorted(known.keys() | inventory.outputs.keys()):
                if known.get(name) != inventory.outputs.get(name):
                    ledger.wrote(name, inventory.outputs.get(name))
        ledger.settle()
        session.digests.record()
        before = inventory.known.samples
        lineage = {
            key: artifacts.dumped(value).decode() for key, value in inventory.lineage.items()
        }
        now = {key: (digest, lineage.get(key)) for key, digest in inventory.digests.items()}
        # A picture that cannot be read today keeps its place, so that nothing is taken for gone.
        now |= {key: row for key, row in before.items() if key in inventory.faulty}
        if now != before:
            ledger.know_samples(now)
    inventory.known = Baseline({}, {}, {})  # of a million samples, it is much of the memory
    return edited


def sweep(job: Job, folders: Iterable[str]) -> None:
    """Remove what runs of this dataset that died left in its folders, and beside its files."""
    beside = {job.meta.absolute().parent} if job.meta is not None else set()
    for folder in {Path(folder) for folder in folders} | beside | {job.location.state}:
        publish.sweep_scratch(folder, job.location.state)


def _remember_edits(session: Session) -> list[str]:
    for old, new in session.inventory.renamed:
        session.ledger.rename(old, new)
    now = session.inventory.edits
    known = session.ledger.edits() if session.inventory.renamed else session.inventory.known.edits
    fresh: set[str] = set()
    if known == now:
        return []
    for at in sorted(known.keys() | now.keys()):
        was, edit = known.get(at), now.get(at)
        if was != edit:
            session.ledger.edit(*at, edit)
        if edit and edit.source != INHERITED and (was is None or was.value != edit.value):
            fresh.add(edit.source)
    return sorted(fresh)


def take_step(session: Session, step: PlannedStage, report: Report) -> None:
    """Do what one step has to do."""
    stage = step.stage
    report.notes += note_changes(session, step)
    match stage.shape:
        case Shape.SIDECAR:
            report.made[stage.name] = sidecars.publish_sidecars(session, step, report)
        case Shape.VIEW:
            recover_sheet.take_over(session, step)
            report.made[stage.name] = int(published_files.publish_view(session, step, report))
        case Shape.DECISION:
            plan = session.plan(step)
            _decide(session, plan)
            session.values.forget(stage.name)  # long rows, and few stages read them
            report.made[stage.name] = len(plan.run)
        case Shape.MAP | Shape.FAN_OUT:
            plan = session.plan(step)
            report.made[stage.name] = _make(session, plan, report)
            report.kept[stage.name] = plan.kept


def _decide(session: Session, plan: StagePlan) -> None:
    if not plan.run:
        return
    stage, values = plan.step.stage, session.values
    names = [name for name, _ in stage.needs()]
    samples = {key: tuple(values.value(name, key) for name in names) for key in sorted(plan.run)}
    answers = stage.run(samples, plan.step.params)
    rows = []
    for key, (inputs, _) in plan.run.items():
        body = artifacts.dumped(answers[key])
        rows.append((key, Made(plan.step.base, inputs, digest_bytes(body)), body))
    with session.ledger.batch():
        session.ledger.record(stage.name, rows, again=False)
    values.forget(stage.name)


def _make(session: Session, plan: StagePlan, report: Report) -> int:
    """Compute what a map has to make; return how many samples were computed or adopted."""
    if not plan.run:
        return 0
    adopted, first, followers = _shared(session, plan)
    if adopted:
        with session.ledger.batch():
            session.ledger.record(plan.step.stage.name, adopted)
    name, states = plan.step.stage.name, Counter(made.state for _, made, _ in adopted)
    _withdraw(session, plan, plan.run.keys() - {key for key, _, _ in adopted})
    todo = StagePlan(plan.step, {key: plan.run[key] for key in first})
    writer = _Writer(session, plan.step, followers)
    console = session.context.console
    try:
        notes, jobs = report.notes, session.context.jobs
        with (
            console.progress(plan.step.command, len(first)) as progress,
            closing(outcomes(todo, session.values, jobs, notes.append, console.wrong)) as computed,
        ):
            for done in computed:
                progress.advance(len(done))
                for outcome in done:
                    console.detail(f"{name}: {outcome.key}: {outcome.state}")
                    states[outcome.state] += 1 + len(followers.get(outcome.key, ()))
                    if outcome.passing:
                        report.failed[outcome.key] = outcome.why
                writer.add(done)
    finally:
        writer.commit()  # also when a person stops the run: nothing that was made is lost
    session.values.forget(name)
    report.unmade[name] = states.total() - states["made"]
    return states.total()


def _withdraw(session: Session, plan: StagePlan, keys: Collection[str]) -> None:
    """Let earlier answers of a model speak no more for samples that it is asked about anew.

    What comes after them goes too, so that a run that ends early leaves no words of yesterday. The
    recipes still give what they gave.
    """
    stage, command = plan.step.stage, plan.step.command
    rows = session.values.made(stage.name)
    old = [key for key in sorted(keys) if key in rows and rows[key].state == "made"]
    if stage.batch is None or stage.suffix is not None or not old:
        return
    why = f"what `prep {command}` is asked now was not answered yet: run it again"
    unanswered = Made(plan.step.base, "", "", "failed", why)
    with session.ledger.batch():
        session.ledger.record(stage.name, ((key, unanswered, None) for key in old), again=False)
        for later in _after(session, stage):
            session.ledger.forget(later.name, old, past=False)
            session.values.forget(later.name)
    session.values.forget(stage.name)


def _after(session: Session, stage: Stage) -> list[Stage]:
    """Return the maps of the same command that cannot do without what a stage makes."""
    found = [stage]
    for one in found:
        found += [
            later
            for later in session.values.producers.values()
            if later.shape is Shape.MAP
            and later.commands == stage.commands
            and (one.writes, False) in later.needs()
            and later not in found
        ]
    return found[1:]


def _shared(
    session: Session, plan: StagePlan
) -> tuple[list[tuple[str, Made, None]], list[str], dict[str, list[str]]]:
    """Divide samples into those made before, the first of each kind, and its twins."""
    before = made_before(session, plan)
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


def made_before(session: Session, plan: StagePlan) -> dict[str, Made]:
    """Return key -> result for what the same recipe made before, perhaps of another sample."""
    stage = plan.step.stage
    present = session.present(stage)
    found: dict[str, Made] = {}
    for key in sorted(plan.run):
        past = session.ledger.past(stage.name, plan.run[key][0], plan.step.base)
        if past is not None and (past.state != "made" or present(past)):
            found[key] = past
    return found


class _Writer:
    """Gathers outcomes and makes them durable every 256 samples or 2 seconds."""

    def __init__(
        self, session: Session, step: PlannedStage, followers: dict[str, list[str]]
    ) -> None:
        self._leg, self._step, self._followers = session, step, followers
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
        if late or self._step.stage.flush_each or many:
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
        path = self._leg.job.location.state / name
        if self._leg.digests.of(str(path.absolute())) != made.digest:
            self._outputs[name] = publish.Output(path, f"state:{name}", body)
        return made, None
