"""Carry a plan out: compute what is stale, publish it, account for every picture."""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from prep.engine import (
    bulk_edits,
    fanout,
    fanout_files,
    idle_mark,
    map_results,
    published_files,
    recover_sheet,
    sidecars,
)
from prep.engine.accounting import account_for, unknown_files, unowned_texts_of_source
from prep.engine.committer import CommitBatch, Committer, Row
from prep.engine.compute import outcomes
from prep.engine.edited_sheets import not_imported
from prep.engine.inventory.inventory import INHERITED, Baseline
from prep.engine.opening import locked_session
from prep.engine.param_changes import note_changes
from prep.engine.plan import PlannedStage, StagePlan
from prep.engine.recover import recover
from prep.engine.report import Report
from prep.engine.session import Context, Job, Session
from prep.engine.stage_call import Outcome
from prep.engine.state import artifacts, publish
from prep.engine.state.recipe import Made
from prep.engine.view_rows import ReadRows
from prep.runtime.files import digest_bytes
from prep.stage import Shape


def carry_out(job: Job, context: Context) -> Report:
    """Bring one folder up to date with what is asked of it.

    Raises:
        HeldError: Another run holds the dataset.
        UserError: Something a person has to mend; what was made until then is kept.
    """
    with locked_session(job, context) as session:
        if job.source is not None:
            report = fanout.remember(session)
            _take_steps(session, report)
            report.unowned |= unowned_texts_of_source(job.source, session.inventory.declared.texts)
            return report
        edited = remember(session) + bulk_edits.mend(session)
        there = unknown_files(session)
        report = Report(edited=edited, total=session.inventory.num_pictures(), others=there)
        idle = idle_mark.counts(session)
        if idle is None:
            sidecars.remove_orphans(session, report)
            published_files.drop_copies(session)
            recover(session, take_step, report)
            _take_steps(session, report)
            idle_mark.leave(session, report)
        else:
            _tell_idle(session, idle, report)
        report.notes += not_imported(session)
        account_for(session, report)
        return report


def _tell_idle(session: Session, idle: Mapping[str, list[int]], report: Report) -> None:
    """Tell of steps that are known to be up to date what taking them would tell."""
    for stage in [asked.stage for asked in session.job.asked]:
        report.made[stage.name] = 0
        if stage.shape is Shape.MAP:
            report.kept[stage.name] = idle[stage.name][0]


def _take_steps(session: Session, report: Report) -> None:
    for asked in session.job.asked:
        take_step(session, session.number_for_good(session.step(asked)), report)


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
        edited = _remember_changes(session, session.baseline) if session.baseline else []
        session.digests.record()
    session.baseline = None  # of a million samples, it is much of the memory
    return edited


def _remember_changes(session: Session, baseline: Baseline) -> list[str]:
    inventory, ledger = session.inventory, session.ledger
    edited = _remember_edits(session, baseline)
    known, outputs = baseline.outputs, session.written.outputs
    if known != outputs:
        for name in sorted(known.keys() | outputs.keys()):
            if known.get(name) != outputs.get(name):
                ledger.wrote(name, outputs.get(name))
    ledger.settle()
    before = baseline.samples
    lineage = {key: artifacts.dumped(value).decode() for key, value in inventory.lineage.items()}
    now = {key: (digest, lineage.get(key)) for key, digest in inventory.digests.items()}
    # A picture that cannot be read today keeps its place, so that nothing is taken for gone.
    now |= {key: row for key, row in before.items() if key in inventory.faulty}
    if now != before:
        ledger.know_samples(now)
    return edited


def sweep(job: Job, folders: Iterable[str]) -> None:
    """Remove what runs of this dataset that died left in its folders, and beside its files."""
    beside = {job.meta.absolute().parent} if job.meta is not None else set()
    for folder in {Path(folder) for folder in folders} | beside | {job.location.state}:
        publish.sweep_scratch(folder, job.location.state)


def _remember_edits(session: Session, baseline: Baseline) -> list[str]:
    for old, new in session.inventory.renamed:
        session.ledger.rename(old, new)
    now = session.written.edits
    known = session.ledger.edits() if session.inventory.renamed else baseline.edits
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
    kept = [len(session.inventory.digests), 0]  # of a sidecar; see `Session.counts`
    match stage.shape:
        case Shape.SIDECAR:
            report.made[stage.name] = sidecars.publish_sidecars(session, step, report)
        case Shape.VIEW:
            recover_sheet.take_over(session, step)
            report.made[stage.name] = int(published_files.publish_view(session, step, report))
            kept = [1, 0]
        case Shape.DECISION:
            plan = session.plan(step)
            rows = _decide(session, plan)
            session.values.forget(stage.name)  # long rows, and few stages read them
            report.made[stage.name] = len(plan.run)
            said = stage.remark(rows) if stage.remark else ""
            report.notes += [f"{step.command}: {said}"] if said else []
            kept = [plan.kept, plan.persons]
        case Shape.MAP | Shape.FAN_OUT:
            plan = session.plan(step)
            report.made[stage.name] = _make(session, plan, report)
            report.kept[stage.name] = plan.kept
            kept = [plan.kept, plan.persons]
            if stage.shape is Shape.FAN_OUT:
                fanout.tidy(session, stage.name, report)
    session.counts[stage.name] = kept


def _decide(session: Session, plan: StagePlan) -> Mapping[str, Any]:
    """Let a decision be made, where it is not made yet; return its rows."""
    if not plan.run:
        return {}
    stage, values = plan.step.stage, session.values
    names = [name for name, _ in stage.needs()]
    keys = dict.fromkeys(sorted(plan.run))
    samples = ReadRows(keys, lambda key: tuple(values.value(name, key) for name in names))
    answers: Mapping[str, Any] = stage.run(samples, plan.step.params)

    def rows() -> Iterator[Row]:
        for key, (inputs, _) in plan.run.items():
            body = artifacts.dumped(answers[key])
            yield key, Made(plan.step.base, inputs, digest_bytes(body)), body

    with session.ledger.batch():
        session.ledger.record(stage.name, rows(), again=False)
    values.forget(stage.name)
    return answers


def _make(session: Session, plan: StagePlan, report: Report) -> int:
    """Compute what a stage has to make; return how many samples were computed or adopted."""
    if not plan.run:
        return 0
    step, console = plan.step, session.context.console
    adopted, first, followers = map_results.divided(session, plan)
    if adopted:
        with session.ledger.batch():
            session.ledger.record(step.stage.name, adopted)
    name, states = step.stage.name, Counter(made.state for _, made, _ in adopted)
    map_results.withdraw(session, plan, plan.run.keys() - {key for key, _, _ in adopted})
    todo = StagePlan(step, {key: plan.run[key] for key in first})
    computed, batch = _computed(session, todo, followers, report)
    writer = Committer(session, step.stage, batch)
    try:
        with console.progress(step.command, len(first)) as progress, closing(computed):
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
    report.nothing[name] = states["nothing"]
    report.unmade[name] = states.total() - states["made"] - states["nothing"]
    return states.total()


def _computed(
    session: Session, todo: StagePlan, followers: Mapping[str, Sequence[str]], report: Report
) -> tuple[Generator[list[Outcome], None, None], Callable[[Iterable[Outcome]], CommitBatch]]:
    """Return the outcomes of a stage as they come, and what makes a batch of some of them."""
    note, step = report.notes.append, todo.step
    if step.stage.shape is Shape.FAN_OUT:
        batch = partial(fanout_files.batch, session, step, report)
        return fanout_files.outcomes(session, todo, note), batch
    console, jobs = session.context.console, session.context.jobs
    batch = partial(map_results.batch, session, step, followers)
    return outcomes(todo, session.values, jobs, note, console.wrong), batch
