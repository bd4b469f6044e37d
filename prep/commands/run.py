"""`prep run`, and each stage by its own command."""

from collections.abc import Sequence
from dataclasses import replace

from prep.engine.report import Report
from prep.engine.runner import carry_out
from prep.engine.session import Context, Job
from prep.pipeline import class_folders, jobs, training
from prep.pipeline.pipeline import Pipeline
from prep.runtime.console import Console
from prep.runtime.program import run_child

_STOPPERS = (3, 4)


def run_one(job: Job, context: Context) -> int:
    """Carry one job out and say how it went; return the exit code."""
    return _say(job, carry_out(job, context), context.console)


def run_pipeline(pipeline: Pipeline, context: Context, speech: Sequence[str]) -> int:
    """Carry a whole pipeline out, training last; return the worst exit code (3 wins over 4).

    Raises:
        ConfigError: The `train:` section or `class_pictures:` have mistakes; then no stage has run.
    """
    if pipeline.train is not None:
        training.check(pipeline)
    class_folders.check(pipeline)
    if code := class_folders.draw(pipeline, speech):
        return code
    context = replace(context, names_meta="`meta:` in pipelines.yaml")
    codes = [run_one(job, context) for one in pipeline.parts() for job in jobs.of_pipeline(one)]
    worst = next((code for code in _STOPPERS if code in codes), 0)
    if pipeline.train is None:
        return worst
    return run_child(training.child_command(pipeline, speech)) or worst


def _say(job: Job, report: Report, console: Console) -> int:
    console.say(*report.lines(job, stages=console.level > 1), **report.facts())
    if not console.level and not console.json:
        for line in report.wrong():
            console.wrong(line)
    return report.exit_code()
