"""The `train` command: words of a person in, one call, one sentence out."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from prep.models.locate import Models, user_home
from prep.runtime.console import Console
from prep.runtime.errors import UsageError
from prep.runtime.program import run_app
from train.cli.account_lines import tell_words
from train.cli.average_command import average_command
from train.cli.blocks_command import blocks_command
from train.cli.class_pictures_command import class_pictures_command
from train.cli.clean_command import clean_command
from train.cli.config_options import JSON, QUIET, check_command, method_command
from train.cli.convert_command import convert_command
from train.cli.explain_command import explain_command
from train.cli.extract_command import extract_command
from train.cli.grid_command import grid_command
from train.cli.inspect_command import inspect_command
from train.cli.merge_command import merge_command
from train.cli.option_hints import hint
from train.cli.pick_command import pick_command
from train.cli.report_command import report_command
from train.cli.reproduce_command import reproduce_command
from train.cli.resize_command import resize_command
from train.cli.sample_command import sample_command
from train.cli.what_if_command import what_if_command
from train.config import Config
from train.methods import all_methods

_AHEAD = Annotated[
    bool, typer.Option("--ahead", help="META is made later: look at settings and base model alone")
]
_AT_HAND = Annotated[
    bool, typer.Option("--at-hand", hidden=True, help="Fetch no model and load no library")
]
_WORDS_TOLD = Annotated[
    bool, typer.Option("--words-told", hidden=True, help="prep has told which words train")
]
_PROBE = Annotated[
    bool,
    typer.Option(
        "--probe/--no-probe", help="Let short trainings choose learning rate, rank and steps first"
    ),
]
app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)


@app.callback()
def train() -> None:
    """Train on datasets that `prep` has made."""


def train_on(
    meta: list[Path],
    config: Config,
    console: Console,
    *,
    words_told: bool = False,
    probe: bool = False,
) -> int:
    """Train on the samples of META; the same settings again are found done."""
    # As torchrun counts and numbers the processes it starts.
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    if probe:
        check_probe(meta, config, alone)
    if any(path.suffix.lower() == ".toml" for path in meta):
        from train.kohya.train_files import train_files

        return train_files(meta, config, console)
    from train.data.dataset import account_of
    from train.data.prepare import prepared
    from train.report.run_report_file import WrittenReport
    from train.run.probe import outside
    from train.run.readiness import check_settings
    from train.run.start import start

    first = os.environ.get("RANK", "0") == "0"
    quiet = console if first else Console(level=0)
    words_told = words_told or all(path.is_dir() for path in meta)  # prep tells them, then
    if any(path.is_dir() for path in meta):  # before prep works for hours
        check_settings(config, _models(), outside)
    found = prepared(meta, config, quiet, alone)
    if probe:
        from train.trials.probe_settings import probed

        config = probed(found.paths, config, _models(), console)

    def tell() -> None:
        if first and not words_told:
            tell_words(account_of(found.paths), found.paths, console)

    missing: list[Path] = []
    start(
        found.paths, config, _models(), quiet, first, before=tell, lacks=missing.extend,
        report=WrittenReport(),
    )  # fmt: skip
    # A launcher takes any other code of one of several processes for its failure.
    return 3 if alone and (missing or account_of(found.paths).look()) else found.code


def check_probe(meta: list[Path], config: Config, alone: bool) -> None:
    """Raise UsageError where nothing can be tried before a training."""
    if any(path.suffix.lower() == ".toml" for path in meta):
        raise UsageError(
            "`--probe` is for dataset files and folders", "import kohya's file: `train import`"
        )
    if config.resume is not None:
        raise UsageError("`--probe` chooses settings, and `--resume` has them", "leave one out")
    if not alone:
        raise UsageError("`--probe` trains in one process", "start it without a launcher")


def check(
    meta: list[Path],
    config: Config,
    console: Console,
    *,
    ahead: bool = False,
    at_hand: bool = False,
    probe: bool = False,
) -> int:
    """Tell what a training on META would do, and all that stands in its way; load no weight.

    That of `train lora`; with `--method finetune` that of `train finetune`, and so on.
    """
    from train.data.dataset import account_of
    from train.data.prepare import foreseen
    from train.run.check import check as told
    from train.run.probe import outside
    from train.run.readiness import check_settings

    if probe:
        check_probe(meta, config, alone=True)
    if ahead or any(path.is_dir() for path in meta):
        ask = None if at_hand else outside
        check_settings(config, _models(), ask, remember=ahead)  # else nothing changes
    if ahead:
        console.say("nothing stands in the way of these settings; META was not looked at")
        return 0
    folders = [path for path in meta if path.is_dir()]
    found = foreseen(meta, config, console)
    coming = [file for path, file in zip(meta, found, strict=True) if path in folders]
    absent = [file for file in coming if not file.exists()]
    told(found, config, _models(), console, absent)
    if probe and not absent:
        from train.trials.probe_settings import foretold

        console.say(foretold(found, config, _models()))
    there = [file for file in found if file not in absent]
    words = account_of(there)
    tell_words(words, there, console)
    return 3 if words.look() else 0


def _models() -> Models:
    offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
    return Models(user_home(os.environ), offline)


for one in all_methods().values():
    app.command(one.name)(
        method_command(train_on, one, {"words_told": _WORDS_TOLD, "probe": _PROBE})
    )
app.command("check")(check_command(check, {"ahead": _AHEAD, "at_hand": _AT_HAND, "probe": _PROBE}))


@app.command("import")
def import_(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE", help="TOML files, scripts, or a command line in quotes"),
    ],
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write")] = Path(
        "pipelines.yaml"
    ),
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="OPTION", help="An option of kohya's that is to be left out"),
    ] = None,
    quiet: QUIET = False,
    json: JSON = False,
) -> int:
    """Write the pipelines.yaml of a training by kohya's scripts, every option accounted for."""
    from train.kohya.import_files import import_files

    console = Console(level=0 if quiet else 1, json=json)
    return import_files(sources, out, without or [], console)


@app.command()
def losses(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run")],
    *,
    most: Annotated[int, typer.Option(help="Pictures of each list", min=1, max=100_000)] = 10,
    json: JSON = False,
) -> None:
    """Tell which pictures of a run are the hardest, quickest learnt, or learnt by heart."""
    from train.run.tell_losses import tell_losses

    tell_losses(run, Console(json=json), most)


app.command("average")(average_command)
app.command("explain")(explain_command)
app.command("inspect")(inspect_command)
app.command("clean")(clean_command)
app.command("merge")(merge_command(_models))
app.command("resize")(resize_command)
app.command("extract")(extract_command(_models))
app.command("convert")(convert_command(_models))
app.command("pick")(pick_command(_models))
app.command("reproduce")(reproduce_command(_models))
app.command("sample")(sample_command(_models))
app.command("blocks")(blocks_command(_models))
app.command("grid")(grid_command(_models))
app.command("report")(report_command)
app.command("what-if")(what_if_command(_models))
app.command("class-pictures")(class_pictures_command(_models))


def main(args: Sequence[str] | None = None) -> None:
    """Run the `train` program and leave with its exit code."""
    run_app(app, args, "train", hint)
