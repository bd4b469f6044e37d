"""The `train` command: words of a person in, one call, one sentence out."""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, get_type_hints

import typer

from prep.models.locate import Models, user_home
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError, UsageError
from prep.runtime.program import run_app
from prep.runtime.seeds import MOST_SEED
from train.cli.account_lines import tell_words
from train.cli.option_hints import hint
from train.config import OF_FINETUNES, OF_LORAS, Config

_QUIET = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what is wrong")]
_VERBOSE = Annotated[bool, typer.Option("--verbose", "-v", help="Say more")]
_JSON = Annotated[bool, typer.Option("--json", help="Say everything as JSON lines")]
_AHEAD = Annotated[
    bool, typer.Option("--ahead", help="META is made later: look at settings and base model alone")
]
_AT_HAND = Annotated[
    bool, typer.Option("--at-hand", hidden=True, help="Fetch no model and load no library")
]
_WORDS_TOLD = Annotated[
    bool, typer.Option("--words-told", hidden=True, help="prep has told which words train")
]
_META = Annotated[
    list[Path],
    typer.Argument(
        metavar="META", help="Dataset files with latents (meta_lat.json), or folders of pictures"
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


def lora(meta: list[Path], config: Config, console: Console, *, words_told: bool = False) -> int:
    """Train a LoRA on the samples of META; the same command again says that it is done."""
    from train.data.dataset import account_of
    from train.data.prepare import prepared
    from train.run import probe
    from train.run.readiness import check_settings
    from train.run.start import start

    # As torchrun counts and numbers the processes it starts.
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    first = os.environ.get("RANK", "0") == "0"
    quiet = console if first else Console(level=0)
    words_told = words_told or all(path.is_dir() for path in meta)  # prep tells them, then
    if any(path.is_dir() for path in meta):  # before prep works for hours
        check_settings(config, _models(), probe.outside)
    found = prepared(meta, config, quiet, alone)

    def tell() -> None:
        if first and not words_told:
            tell_words(account_of(found.paths), found.paths, console)

    missing: list[Path] = []
    start(found.paths, config, _models(), quiet, first, before=tell, lacks=missing.extend)
    # A launcher takes any other code of one of several processes for its failure.
    return 3 if alone and (missing or account_of(found.paths).look()) else found.code


def finetune(
    meta: list[Path], config: Config, console: Console, *, words_told: bool = False
) -> int:
    """Train the whole U-Net on the samples of META, and the text encoder where asked."""
    return lora(meta, replace(config, method="finetune"), console, words_told=words_told)


def command(
    body: Callable[..., int],
    lacks: Sequence[str],
    usual: Mapping[str, Any] | None = None,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Callable[..., int]:
    """Return `body` as Typer wants it: an option for every field of `Config`, help and default.

    Args:
        lacks: Fields that make no sense for it.
        usual: Other defaults than those of `Config`.
        more: Flags of its own, off by default.
    """

    def run(**given: Any) -> int:
        level = 0 if given.pop("quiet") else 2 if given.pop("verbose") else 1
        given.pop("verbose", None)
        console = Console(level=level, json=given.pop("json"))
        own = {name: given.pop(name) for name in more}
        return body(given.pop("meta"), configured(given), console, **own)

    hints = get_type_hints(Config)
    named = []
    for item in fields(Config):
        if item.name not in lacks:
            default, told = (usual or {}).get(item.name, item.default), item.metadata["help"]
            kind: Any = hints[item.name]
            if default is None and item.default is not None:
                told, kind = f"{told}; default: that of the method", kind | None
            named.append((item.name, Annotated[kind, typer.Option(help=told)], default))
    own = [(name, kind, False) for name, kind in more.items()]
    flags = [*own, ("quiet", _QUIET, False), ("verbose", _VERBOSE, False), ("json", _JSON, False)]
    each = [("meta", _META, inspect.Parameter.empty), *named, *flags]
    run.__name__, run.__doc__ = body.__name__, body.__doc__
    run.__annotations__ = {name: kind for name, kind, _ in each} | {"return": int}
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
    """Return the settings; a value out of its limits is a mistake of the command line.

    Without a learning rate it is the usual one of the method.
    """
    if given["learning_rate"] is None:
        usual = _FINETUNES if given["method"] == "finetune" else {}
        given = given | {"learning_rate": Config.learning_rate} | usual
    try:
        return Config(**given)
    except ConfigError as error:
        raise UsageError(str(error), error.hint, error.others) from None


def check(
    meta: list[Path],
    config: Config,
    console: Console,
    *,
    ahead: bool = False,
    at_hand: bool = False,
) -> int:
    """Tell what a training on META would do, and all that stands in its way; load no weight.

    That of `train lora`; with `--method finetune` that of `train finetune`.
    """
    _check_method(config)
    from train.data.dataset import account_of
    from train.data.prepare import foreseen
    from train.run import probe
    from train.run.check import check as told
    from train.run.readiness import check_settings

    if ahead or any(path.is_dir() for path in meta):
        ask = None if at_hand else probe.outside
        check_settings(config, _models(), ask, remember=ahead)  # else nothing changes
    if ahead:
        console.say("nothing stands in the way of these settings; META was not looked at")
        return 0
    folders = [path for path in meta if path.is_dir()]
    found = foreseen(meta, config, console)
    coming = [file for path, file in zip(meta, found, strict=True) if path in folders]
    absent = [file for file in coming if not file.exists()]
    told(found, config, _models(), console, absent)
    there = [file for file in found if file not in absent]
    words = account_of(there)
    tell_words(words, there, console)
    return 3 if words.look() else 0


def _check_method(config: Config) -> None:
    """Raise UsageError for options that the command of the method does not have."""
    lacks = OF_LORAS if config.method == "finetune" else OF_FINETUNES
    wrong = [word for word in lacks if getattr(config, word) != getattr(Config, word)]
    told = [
        (f"`train {config.method}` has no `--{word.replace('_', '-')}`", "leave it out")
        for word in wrong
    ]
    if told:
        raise UsageError(*told[0], told[1:])


def _models() -> Models:
    offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
    return Models(user_home(os.environ), offline)


_FINETUNES = {"learning_rate": 1e-5}
_TOLD = {"words_told": _WORDS_TOLD}
app.command("lora")(command(lora, ("method", *OF_FINETUNES), more=_TOLD))
app.command("check")(
    command(check, (), {"learning_rate": None}, {"ahead": _AHEAD, "at_hand": _AT_HAND})
)
app.command("finetune")(command(finetune, ("method", *OF_LORAS), _FINETUNES, _TOLD))


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A LoRA")],
    verbose: _VERBOSE = False,
    json: _JSON = False,
) -> None:
    """Tell what a LoRA was made of: base model, settings, every picture."""
    from train.export.explain import explain as told

    told(file, Console(level=2 if verbose else 1, json=json))


@app.command()
def sample(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A LoRA")],
    *,
    prompt: Annotated[list[str] | None, typer.Option(help="What to draw; a row each")] = None,
    prompts: Annotated[Path | None, typer.Option(help="File of prompts, one a line")] = None,
    negative: Annotated[str, typer.Option(help="What not to draw")] = "",
    strength: Annotated[
        list[float] | None,
        typer.Option(help="A column each; default: 1", min=-100, max=100),
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="A row each; default: 0", min=0, max=MOST_SEED)
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps of a drawing", min=1, max=1000)] = 20,
    guidance: Annotated[
        float,
        typer.Option(help="How strongly the text decides", min=0, max=100),
    ] = 7.5,
    base: Annotated[
        str | None, typer.Option(help="Base model; default: the one the run folder names")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The sheet; default: FILE with `-sheet.png`")
    ] = None,
    each: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write every picture alone, too")
    ] = None,
    clip_skip: Annotated[
        int | None,
        typer.Option(
            help="Layer of the text encoder, from the end; default: as it was trained",
            min=1,
            max=12,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    quiet: _QUIET = False,
    json: _JSON = False,
) -> int:
    """Draw a labelled sheet: the base model beside the LoRA, from the same noise."""
    from train.samples.sheet import Wish, asked
    from train.samples.sheet import sample as drawn

    usual = {"negative": negative, "steps": steps, "guidance": guidance}
    rows = asked(file, prompt or [], prompts, usual)
    wish = Wish(rows, strength or [1.0], seed or [], base, device, each, clip_skip)
    target = out or file.with_name(f"{file.stem}-sheet.png")
    console = Console(level=0 if quiet else 1, json=json)
    return drawn(file, wish, target, _models(), console).code


def main(args: Sequence[str] | None = None) -> None:
    """Run the `train` program and leave with its exit code."""
    run_app(app, args, "train", hint)
