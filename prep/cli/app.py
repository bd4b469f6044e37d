"""The `prep` command: reads what a person typed, makes one call, prints one report. No logic."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from prep.cli import edit_options, options
from prep.cli.options import In, Inner, Jobs, Json, Missing, Name, Pipelines, Quiet, State, Verbose
from prep.cli.stage_commands import body_of
from prep.pipeline import command_line
from prep.pipeline.subcommands import all_commands
from prep.runtime.errors import UsageError
from prep.runtime.program import run_app
from prep.stages import all_stages

# What a subcommand needs is imported when it runs: `prep --help` is there at once.


def prep() -> None:
    """Turn a folder of pictures into a dataset that can be trained on.

    Every stage is skipped where it is up to date. Stop at any time; the same command continues.
    """


def run(
    name: Name = None,
    *,
    pipelines: Pipelines = None,
    jobs: Jobs = 2,
    accept_missing: Missing = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: Json = False,
) -> int:
    """Run a pipeline of pipelines.yaml, training included: only what changed."""
    from prep.commands.run import run_pipeline

    context = command_line.context(command_line.console(quiet, verbose, json), jobs, accept_missing)
    return run_pipeline(
        command_line.pipeline(name, pipelines), context, ["-q"] * quiet + ["--json"] * json
    )


def plan(
    name: Name = None,
    pipelines: Pipelines = None,
    *,
    accept_missing: Missing = False,
    verbose: Inner = False,
    json: Json = False,
) -> int:
    """Show what `prep run` would do, and why; change nothing."""
    from prep.commands.plan import plan_pipeline

    context = command_line.context(command_line.console(False, verbose, json), 1, accept_missing)
    return plan_pipeline(command_line.pipeline(name, pipelines), context)


def why(
    key: options.Key,
    folder: In = None,
    state: State = None,
    pipelines: Pipelines = None,
    *,
    draw: options.Draw = None,
    verbose: Inner = False,
) -> int:
    """Show all that is known of one picture: what is to be done and why, whose words count."""
    from prep.commands.why import tell_why

    key, location, pipeline = command_line.picture(key, folder, state, pipelines)
    context = command_line.context(command_line.console(False, verbose))
    code = tell_why(key, location, context, pipeline)
    if draw is not None:
        from prep.commands.pair_picture import draw_pair

        draw_pair(key, location, context, draw)
    return code


def status(
    folder: In = None,
    state: State = None,
    pipelines: Pipelines = None,
    *,
    verbose: Inner = False,
    json: Json = False,
) -> int:
    """Count pictures, results, edits and what is wrong; change nothing."""
    from prep.commands.status import tell_status

    location, _ = command_line.dataset(folder, state, pipelines)
    return tell_status(location, command_line.context(command_line.console(False, verbose, json)))


def reset(
    key: options.Key,
    folder: In = None,
    state: State = None,
    pipelines: Pipelines = None,
) -> int:
    """Give a picture's edited fields back to the machine, and forget what failed for it."""
    from prep.commands.reset import give_back

    key, location, _ = command_line.picture(key, folder, state, pipelines)
    return give_back(key, location, command_line.context())


def undo(folder: In = None, state: State = None, pipelines: Pipelines = None) -> int:
    """Take the last edit of `prep edit` back, then the one before it; files are restored."""
    from prep.commands.bulk_edit import undo_edit

    location, _ = command_line.dataset(folder, state, pipelines)
    return undo_edit(location, command_line.context())


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="folder of your pictures")],
    preset: Annotated[str, typer.Option("--for", help="sd15-character, sd15-style or tiny")] = (
        "sd15-character"
    ),
) -> int:
    """Write a pipelines.yaml for a folder of pictures."""
    from prep.commands.init import write_pipelines

    return write_pipelines(folder, preset, command_line.FILE, command_line.console())


def tags(
    source: options.Source,
    *,
    lint: options.Lint = False,
    pairs: options.Pairs = False,
    beside: options.With = "",
    top: options.Top = 40,
    vocabulary: options.Vocabulary = "",
    base: options.Base = "",
    state: State = None,
    pipelines: Pipelines = None,
    json: Json = False,
) -> int:
    """Count the tags of a dataset, show what occurs together, or what looks wrong."""
    from prep.commands.tags import TagsRequest, tell_tags

    wish = TagsRequest(pairs, beside, lint, top, vocabulary, base)
    context = command_line.context(command_line.console(False, False, json))
    return tell_tags(source, wish, context, command_line.pipeline_of(source, pipelines), state)


def stages() -> int:
    """List the stages: what each reads and writes."""
    from prep.commands.stages import list_stages

    return list_stages(all_stages(), command_line.console())


def doctor(
    folder: In = None,
    *,
    state: State = None,
    pipelines: Pipelines = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="repair what can be repaired without you")
    ] = False,
    json: Json = False,
) -> int:
    """Show one page about this installation and these folders, for a bug report."""
    from prep.doctor import page

    context = command_line.context(command_line.console(False, False, json))
    found = page.findings(folder, state, pipelines, context.models)
    return page.show(found, context.console, fix)


def review_import(
    sheet: Annotated[
        Path | None,
        typer.Argument(
            metavar="SHEET",
            help="CSV, XLSX or edits.json of a report; default: tags.csv in the folder",
        ),
    ] = None,
    *,
    ours: Annotated[
        bool, typer.Option("--ours", help="in a conflict keep the values of the folder")
    ] = False,
    theirs: Annotated[
        bool, typer.Option("--theirs", help="in a conflict take the values of the sheet")
    ] = False,
    folder: In = None,
    state: State = None,
    pipelines: Pipelines = None,
    json: Json = False,
) -> int:
    """Import the edits of a sheet, or those that the page of `prep report` saved.

    A value that changed on both sides since the export is a conflict: its row is left alone.
    """
    from prep.commands.review_import import take_over
    from prep.pipeline import locations

    if ours and theirs:
        raise UsageError("`--ours` and `--theirs` contradict each other", "choose one")
    of = folder or (sheet and locations.folder_of_sheet(sheet, state))
    location, _ = command_line.dataset(of, state, pipelines)
    file = location.sheet("tags.csv") if sheet is None or sheet.is_dir() else sheet
    context = command_line.context(command_line.console(False, False, json))
    side: Literal["", "ours", "theirs"] = "ours" if ours else "theirs" if theirs else ""
    return take_over(file, location, context, side)


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="meta_cap.json, meta_lat.json or JSON lines")
    ],
    *,
    theirs: Annotated[
        bool, typer.Option("--theirs", help="where words of yours differ, take the file's")
    ] = False,
    folder: In = None,
    state: State = None,
    pipelines: Pipelines = None,
    json: Json = False,
) -> int:
    """Take the words of kohya's metadata over: they become texts beside the pictures, and yours."""
    from prep.commands.import_texts import take_over

    location, _ = command_line.dataset(folder, state, pipelines)
    context = command_line.context(command_line.console(False, False, json))
    return take_over(file, location, context, theirs=theirs)


def build_app() -> typer.Typer:
    """Return the command line: our own subcommands, and one for each that stages declare."""
    plain: Any = {"no_args_is_help": True, "rich_markup_mode": None, "add_completion": False}
    app = typer.Typer(pretty_exceptions_enable=False, **plain)
    review = typer.Typer(help="Export the tags as a sheet, and import them.", **plain)
    app.callback()(prep)
    for body in (init, run, plan, status, why, reset, undo, tags, stages, doctor, import_):
        name = body.__name__.rstrip("_")
        app.command(name, short_help=options.short_help(body.__doc__ or ""))(body)
    for command in all_commands(all_stages().values()).values():
        group, _, name = command.name.rpartition(" ")
        target = review if group == "review" else app
        about = command.help()
        cls = edit_options.EditCommand if command.writes_meta() else None
        first = options.short_help(about)
        target.command(name, cls=cls, help=about, short_help=first)(body_of(command))
    first = options.short_help(review_import.__doc__ or "")
    review.command("import", short_help=first)(review_import)
    app.add_typer(review, name="review")
    return app


def main(args: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    run_app(build_app(), args, "prep")
