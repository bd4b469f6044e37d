"""The options of the `prep` command, as Typer reads them."""

import inspect
import re
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from prep.pipeline.subcommands import Command, flag

Pipelines = Annotated[
    Path | None, typer.Option("--pipelines", metavar="FILE", help="default: ./pipelines.yaml")
]
In = Annotated[
    Path | None,
    typer.Option("--in", metavar="DIR", help="the dataset's folder, as the stages name it"),
]
State = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="prep's folder, where pictures are read-only"),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="print only what is wrong")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="print what happens to each picture")
]
Inner = Annotated[
    bool, typer.Option("--verbose", "-v", help="show each inner stage, and raw values")
]
Json = Annotated[bool, typer.Option("--json", help="print everything as JSON lines")]
Dry = Annotated[bool, typer.Option("--dry-run", "-n", help="show the plan, change nothing")]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=1, max=256, help="pictures decoded at a time")
]
Missing = Annotated[
    bool,
    typer.Option("--accept-missing", help="continue although a fifth of the pictures vanished"),
]
Name = Annotated[str | None, typer.Argument(metavar="NAME", help="pipeline, if there are several")]

Key = Annotated[
    str, typer.Argument(metavar="KEY", help="a picture's path in its folder, or from here")
]
Draw = Annotated[
    Path | None,
    typer.Option(
        "--draw", metavar="FILE", help="PNG to write: it, and the picture that it repeats"
    ),
]
Source = Annotated[
    Path,
    typer.Argument(metavar="META|FOLDER", help="dataset file (after the rules) or folder (before)"),
]
Lint = Annotated[bool, typer.Option("--lint", help="show what looks wrong, in place of counts")]
Pairs = Annotated[bool, typer.Option("--pairs", help="show which tags occur together")]
With = Annotated[str, typer.Option("--with", metavar="TAG", help="only beside this tag")]
Top = Annotated[
    int, typer.Option("--top", min=0, max=1_000_000, help="most lines of a table; 0: all")
]
Vocabulary = Annotated[
    str,
    typer.Option("--vocabulary", help="tagger or CSV file with the tags there are; for --lint"),
]
Base = Annotated[str, typer.Option("--base", help="base model whose tokenizer counts; for --lint")]


def parameters(command: Command) -> list[inspect.Parameter]:
    """Return the parameters of a subcommand as Typer reads them."""
    if command.fans_out():
        named = [("source", "IN", "folder to read"), ("out_folder", "OUT", "folder to write")]
    elif command.reads_meta():
        named = [("meta", "META", "dataset file of the stage before")]
    else:
        also = "; with an option that edits words, also a dataset file" * command.writes_meta()
        named = [("folder", "FOLDER", f"folder of pictures{also}")]
    found = [
        parameter(name, Annotated[Path, typer.Argument(metavar=metavar, help=text)], ...)
        for name, metavar, text in named
    ]
    for name, item in command.params().items():
        shown = item.metadata["help"] + _default_text(item.default)
        words = [f"{flag(name)}/--no-{flag(name)[2:]}"] if item.type is bool else [flag(name)]
        kind: Any = Optional[item.type]  # noqa: UP045 - the type is a value here
        found.append(parameter(name, Annotated[kind, typer.Option(*words, help=shown)], None))
    if command.writes_meta():
        out = typer.Option("--out", metavar="FILE", help="dataset file to write [meta.json]")
        found.append(parameter("out", Annotated[Path | None, out], None))
    common = [
        ("state", State, None), ("pipelines", Pipelines, None), ("jobs", Jobs, 2),
        ("accept_missing", Missing, False), ("dry_run", Dry, False), ("quiet", Quiet, False),
        ("verbose", Verbose, False), ("json", Json, False),
    ]  # fmt: skip
    return found + [parameter(*each) for each in common]


def _default_text(default: Any) -> str:
    """Return a default as a person would type it, in brackets; empty for none."""
    if isinstance(default, bool):
        return " [yes]" if default else " [no]"
    text = f"{default:g}" if isinstance(default, float) else str(default)
    return f" [{text}]" if text else ""


def parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    """Return one parameter; a default of `...` is none: it has to be given."""
    shown = inspect.Parameter.empty if default is ... else default
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, annotation=annotation, default=shown)


def short_help(told: str) -> str:
    """Return a command's line in the list of commands: its help up to the first break."""
    return re.split(r"[.;:]\s", told + " ", maxsplit=1)[0] + "."
