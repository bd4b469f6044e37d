"""The subcommands that stages declare: what was typed -> a job, an edit or a plan, carried out."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.cli import edit_options, options
from prep.pipeline import command_line
from prep.pipeline.subcommands import Command

if TYPE_CHECKING:
    from prep.engine.session import Job


def body_of(command: Command) -> Callable[..., int]:
    """Return the function that Typer calls for a subcommand, with the parameters that it has."""

    def body(**given: Any) -> int:
        console = command_line.console(given.pop("quiet"), given.pop("verbose"), given.pop("json"))
        context = command_line.context(console, given.pop("jobs"), given.pop("accept_missing"))
        dry, file = given.pop("dry_run"), given.pop("pipelines")
        if command.writes_meta() and (asked := edit_options.take_values(given)):
            from prep.commands.bulk_edit import edit

            request = edit_options.request(given, asked, dry, file)
            return edit(request, context, command_line.pipeline_of(request.target, file))
        job = _job(command, given, file)
        if dry:
            from prep.commands.plan import plan_one

            return plan_one(job, context)
        from prep.commands.run import run_one

        return run_one(job, context)

    shown = options.parameters(command) + edit_options.parameters() * command.writes_meta()
    body.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    return body


def _job(command: Command, given: dict[str, Any], file: Path | None) -> "Job":
    from prep.pipeline import jobs

    places = [
        given.pop(name) for name in ("source", "out_folder", "folder", "meta") if name in given
    ]
    state, out = given.pop("state"), given.pop("out", None)
    values = {name: value for name, value in given.items() if value is not None}
    typed = jobs.Given(values, state, out)
    pipeline = command_line.pipeline_of(places[0], file)
    if command.fans_out():
        return jobs.of_fan_out(command, (places[0], places[1]), typed, pipeline)
    if command.reads_meta():
        return jobs.of_meta(command, places[0], typed, pipeline)
    return jobs.of_folder(command, places[0], typed, pipeline)
