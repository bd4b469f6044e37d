"""`prep plan`: what a run would do, and why; changes nothing."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prep.engine.opening import read_only_session
from prep.engine.preview import (
    StagePreview,
    Upcoming,
    expecting,
    idle,
    previews,
    upcoming_of,
    waiting_of,
)
from prep.engine.session import Context, Job
from prep.pipeline import class_folders, jobs, training
from prep.pipeline.pipeline import Pipeline
from prep.runtime.console import Console
from prep.stage import Shape


def plan_one(job: Job, context: Context) -> int:
    """Print what one job would do."""
    _print_plan(job, context, Upcoming())
    return 0


def plan_pipeline(pipeline: Pipeline, context: Context) -> int:
    """Print what a whole pipeline would do.

    Raises:
        ConfigError: The `train:` section or `class_pictures:` have mistakes; `prep run` would end
            with them.
    """
    if pipeline.train is not None:
        training.check(pipeline, at_hand=True)
    for line in class_folders.check(pipeline):
        context.console.say(f"{'class':<12}  {line}", stage="class-pictures")
    console = context.console
    waits = [_print_jobs(one, context) for one in pipeline.parts()]
    if pipeline.train is not None:
        busy = next(filter(None, reversed(waits)), "")
        after = f"waits for {busy}" if busy else "runs next; says at once if it is done"
        typed = training.typed_command(pipeline)
        console.say(f"{'train':<12}  {pipeline.train['method']}: {after}", f"  {typed}")
    return 0


def _print_jobs(pipeline: Pipeline, context: Context) -> str:
    """Print what the stages of a pipeline would do; return the last command that has work."""
    upcoming, waits = Upcoming(), ""
    for job in jobs.of_pipeline(pipeline):
        if upcoming.made and not has_entries(job):
            _say_waiting(job, waits, context.console)
            continue
        upcoming, busy = _print_plan(job, context, upcoming)
        waits = job.asked[-1].command if busy else waits
    return waits


def _say_waiting(job: Job, waits: str, console: Console) -> None:
    """Print that all of a job waits for a command that has yet to make its pictures."""
    if console.details():
        for name in [asked.stage.name for asked in job.asked]:
            console.say(f"{name:<12}  waits for {waits}", stage=name, busy=True)
        return
    for command in dict.fromkeys(asked.command for asked in job.asked):
        console.say(f"{command:<12}  waits for {waits}")


def _print_plan(job: Job, context: Context, upcoming: Upcoming) -> tuple[Upcoming, bool]:
    """Print the plan of one job; return what it changes for the next, and whether it is busy."""
    console = context.console
    console.say(f"{os.path.relpath(job.location.root)}:")
    with read_only_session(job, context) as session:
        rows = idle(session) if upcoming == Upcoming() else None
        rows = rows or previews(expecting(session, upcoming), upcoming)
        if console.details():
            for row in rows:
                console.say(f"  {_stage_line(row)}", **row.facts())
        else:
            console.say(*(f"  {line}" for line in _command_lines(rows)))
        for note in session.notes:
            console.say(f"  {note}")
        after = upcoming_of(session, rows) if job.source else waiting_of(rows)
        return after, any(row.busy() for row in rows)


def has_entries(job: Job) -> bool:
    """Return whether the folder that a job reads has anything in it."""
    root = (job.source or job.location).root
    return root.is_dir() and any(not entry.name.startswith(".") for entry in root.iterdir())


def _command_lines(rows: Iterable[StagePreview]) -> Iterator[str]:
    """Yield a line for each command that a person named: what it would do, and why."""
    commands: dict[str, list[StagePreview]] = {}
    for row in rows:
        commands.setdefault(row.step.command, []).append(row)
    for command, each in commands.items():
        pictures = [row for row in each if row.step.stage.shape is not Shape.VIEW]
        files = [row for row in each if row.step.stage.shape is Shape.VIEW]
        parts = [*_of_pictures(pictures)] or [*_of_files(files)]
        yield f"{command:<12}  {'; '.join(parts) or 'up to date'}"


def _of_pictures(rows: Sequence[StagePreview]) -> Iterator[str]:
    """Yield what a command would do: of each picture what its first stage that is busy would do."""
    run, again = _first(row.run for row in rows), _first(row.reused for row in rows)
    waits = _first(dict.fromkeys(row.waits, row.after) for row in rows if row.after)
    again = {key: why for key, why in again.items() if key not in run}
    waits = {key: name for key, name in waits.items() if key not in run and key not in again}
    removed = frozenset[str]().union(*(row.removed for row in rows))
    if not (run or again or waits or removed):
        return
    if run:
        yield f"{len(run)} to do: {_why(run)}"
    if again:
        yield f"{len(again)} as in an earlier run: {_why(again)}"
    for name, count in Counter(waits.values()).items():
        yield f"{count} waiting for {name}"
    if removed:
        yield f"{len(removed)} to remove"
    yours = max(row.persons for row in rows)
    if yours:
        yield f"{yours} yours"
    lacking = set(_first(row.lacking for row in rows)).difference(run, again, waits)
    current = max(map(_total, rows)) - len(run) - len(again) - len(waits) - yours - len(lacking)
    if current > 0:
        yield f"{current} up to date"


def _first(each: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return what the first mapping that has a key says of it."""
    found: dict[str, str] = {}
    for one in each:
        found = {**one, **found}
    return found


def _total(row: StagePreview) -> int:
    busy = len(row.run) + len(row.reused) + len(row.waits)
    return busy + row.kept + row.persons + len(row.lacking)


def _of_files(rows: Iterable[StagePreview]) -> Iterator[str]:
    for row in rows:
        yield from (f"{name} to write: {why}" for name, why in row.run.items())
        yield from (f"{name} waiting for {row.after}" for name in row.waits)


def _stage_line(row: StagePreview) -> str:
    """Return what `prep plan` says of one stage, with `-v`."""
    view = row.step.stage.shape is Shape.VIEW
    parts = [f"{row.step.stage.name:<12}"]
    if view:
        parts += [f"write {name}: {why}" for name, why in row.run.items()]
        parts += [f"waits: {name}" for name in sorted(row.waits)]
    else:
        word = "write" if row.step.stage.shape is Shape.SIDECAR else "run"
        parts += [f"{word} {len(row.run)}: {_why(row.run)}"] if row.run else []
        parts += [f"reuse {len(row.reused)}: {_why(row.reused)}"] if row.reused else []
        parts += [f"waits {len(row.waits)}"] if row.waits else []
        parts += [f"remove {len(row.removed)}"] if row.removed else []
    if row.kept or not row.busy():
        parts.append("skip" if view else f"skip {row.kept}")
    if row.persons:
        parts.append(f"a person's {row.persons}")
    return "  ".join(parts)


def _why(whys: Mapping[str, str]) -> str:
    """Return the reasons of some pictures; where there are several, each with its number."""
    counts = sorted(Counter(whys.values()).items())
    each = [why if len(counts) == 1 else f"{why} ({count})" for why, count in counts]
    return ", ".join(each)
