"""The `train` command: words of a person in, one call, one sentence out."""

import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from prep.command import run_app
from prep.console import Console
from prep.errors import ConfigError, UsageError
from prep.models import Models, user_home
from train.config import Config

_QUIET = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what is wrong")]
_VERBOSE = Annotated[bool, typer.Option("--verbose", "-v", help="Say more")]
_JSON = Annotated[bool, typer.Option("--json", help="Say everything as JSON lines")]
_META = Annotated[
    list[Path], typer.Argument(metavar="META", help="Dataset files with latents: meta_lat.json")
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


def lora(meta: list[Path], config: Config, console: Console) -> None:
    """Train a LoRA on the samples of META; the same command again says that it is done."""
    from train.run import lora as trained

    offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
    first = os.environ.get("RANK", "0") == "0"  # as torchrun numbers the processes it starts
    quiet = console if first else Console(level=0)
    trained(meta, config, Models(user_home(os.environ), offline), quiet, first)


def command(body: Callable[[list[Path], Config, Console], None]) -> Callable[..., None]:
    """Return `body` as Typer wants it: an option for every field of `Config`, help and default."""

    def run(**given: Any) -> None:
        level = 0 if given.pop("quiet") else 2 if given.pop("verbose") else 1
        given.pop("verbose", None)
        console = Console(level=level, json=given.pop("json"))
        body(given.pop("meta"), configured(given), console)

    hints = get_type_hints(Config)
    named = [
        (
            item.name,
            Annotated[hints[item.name], typer.Option(help=item.metadata["help"])],
            item.default,
        )
        for item in fields(Config)
    ]
    flags = [("quiet", _QUIET, False), ("verbose", _VERBOSE, False), ("json", _JSON, False)]
    each = [("meta", _META, inspect.Parameter.empty), *named, *flags]
    run.__name__, run.__doc__ = body.__name__, body.__doc__
    run.__annotations__ = {name: kind for name, kind, _ in each} | {"return": None}
    vars(run)["__signature__"] = inspect.Signature(
        [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind
            )
            for name, kind, default in each
        ]
    )
    return run


def configured(given: dict[str, Any]) -> Config:
    """Return the settings; a value out of its limits is a mistake of the command line."""
    try:
        return Config(**given)
    except ConfigError as error:
        raise UsageError(str(error), error.hint, error.others) from None


def check(meta: list[Path], config: Config, console: Console) -> None:
    """Tell what `train lora` would do with META, and all that stands in its way; load no weight."""
    from train.check import check as told

    offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
    told(meta, config, Models(user_home(os.environ), offline), console)


app.command("lora")(command(lora))
app.command("check")(command(check))


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A LoRA")],
    verbose: _VERBOSE = False,
    json: _JSON = False,
) -> None:
    """Tell what a LoRA was made of: base model, settings, every picture."""
    from train.explain import explain as told

    told(file, Console(level=2 if verbose else 1, json=json))


def main(args: Sequence[str] | None = None) -> None:
    """Run the `train` program and leave with its exit code."""
    run_app(app, args, "train")
