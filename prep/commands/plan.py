"""`prep plan`: what a run would do, and why; changes nothing."""

import os

from prep.engine.opening import read_only_session
from prep.engine.preview import Coming, coming_of, idle, previewed
from prep.engine.session import Context, Job, asked_names
from prep.pipeline import jobs, training
from prep.pipeline.config import Pipeline


def plan_one(job: Job, context: Context) -> int:
    """Print what one order would do."""
    _print_plan(job, context, Coming())
    return 0


def plan_pipeline(pipeline: Pipeline, context: Context) -> int:
    """Print what a whole pipeline would do.

    Raises:
        ConfigError: The `train:` section has mistakes; `prep run` would end with them.
    """
    if pipeline.train is not None:
        training.check(pipeline, at_hand=True)
    coming, waits = Coming(), ""
    for job in jobs.of_pipeline(pipeline):
        if coming.made and not has_entries(job):
            for name in asked_names(job):
                context.console.say(f"{name:<12}  waits for {waits}", stage=name, busy=True)
            continue
        coming, busy = _print_plan(job, context, coming)
        waits = job.asked[-1].command if busy else waits
    if pipeline.train is not None:
        after = f"waits for {waits}" if waits else "runs next; says at once if it is done"
        typed = training.typed(pipeline)
        context.console.say(f"{'train':<12}  {pipeline.train['method']}: {after}", f"  {typed}")
    return 0


def _print_plan(job: Job, context: Context, coming: Coming) -> tuple[Coming, bool]:
    """Print the plan of one order; return what it changes for the next, and whether it is busy."""
    context.console.say(f"{os.path.relpath(job.location.root)}:")
    with read_only_session(job, context) as session:
        rows = (idle(session) if coming == Coming() else None) or previewed(session, coming)
        for row in rows:
            context.console.say(f"  {row.line()}", **row.facts())
        for note in session.notes:
            context.console.say(f"  {note}")
        after = coming_of(session, rows) if job.source else Coming()
        return after, any(row.busy() for row in rows)


def has_entries(job: Job) -> bool:
    """Return whether the folder that a job reads has anything in it."""
    root = (job.source or job.location).root
    return root.is_dir() and any(not entry.name.startswith(".") for entry in root.iterdir())
