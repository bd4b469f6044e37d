"""Commands whose options are the settings of a training: one for each field of its records."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints

import typer

from prep.runtime.console import Console
from prep.runtime.errors import ConfigError, UsageError
from train.config import Config
from train.methods import USUAL, all_methods, config_of, method_named, own_options
from train.methods.method import Method
from train.option_fields import described, flag

Body = Callable[..., int]
Flags = Mapping[str, Any]

QUIET = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what is wrong")]
VERBOSE = Annotated[bool, typer.Option("--verbose", "-v", help="Say more")]
JSON = Annotated[bool, typer.Option("--json", help="Say everything as JSON lines")]
_META = Annotated[
    list[Path],
    typer.Argument(
        metavar="META", help="Dataset files with latents (meta_lat.json), or folders of pictures"
    ),
]
_METHOD = Annotated[str, typer.Option(help="Method of training, as it follows `train`")]


class _Named(NamedTuple):
    """An option: what it is called, its type with its help line, and its default."""

    name: str
    kind: Any
    default: Any


def method_command(body: Body, method: Method, flags: Flags) -> Callable[..., int]:
    """Return a method's command: an option for every setting that it has.

    Args:
        body: Called with dataset files, settings and console, and the flags by name.
        flags: Flags of its own, off by default.
    """

    def run(**given: Any) -> int:
        return _called(body, given, flags, lambda: method)

    settings = [*_options(method.options), *_options(Config)]
    return _typed(run, (method.name, method.about), settings, flags)


def check_command(body: Body, flags: Flags) -> Callable[..., int]:
    """Return a command for the settings of every method, which `--method` names."""

    def run(**given: Any) -> int:
        name = given.pop("method")
        return _called(body, given, flags, lambda: method_named(name))

    each = all_methods().values()
    own = {one.name: one for method in each for one in _options(method.options)}
    settings = [
        _Named("method", _METHOD, USUAL),
        *(_of_method(one) for one in own.values()),
        *_options(Config),
    ]
    return _typed(run, (body.__name__, body.__doc__ or ""), settings, flags)


def _of_method(one: _Named) -> _Named:
    """Return an option whose default depends on the method."""
    kind, option = one.kind.__origin__, one.kind.__metadata__[0]
    told = option.help.partition("; default: ")[0]
    again = typer.Option(help=f"{told}; default: that of the method")
    return _Named(one.name, Annotated[kind | None, again], None)


def _options(record: Any) -> Iterator[_Named]:
    """Yield an option for each field of a record of options."""
    hints = get_type_hints(record)
    for item in described(record):
        also = item.metadata["also"]
        names = (flag(item.name), also) if also else ()
        help_line = typer.Option(*names, help=item.metadata["help"])
        yield _Named(item.name, Annotated[hints[item.name], help_line], item.default)


def _called(body: Body, given: dict[str, Any], flags: Flags, of: Callable[[], Method]) -> int:
    """Call a command's body with what was given; a wrong value is a mistake of the command line."""
    level = 0 if given.pop("quiet") else 2 if given.pop("verbose") else 1
    given.pop("verbose", None)
    console = Console(level=level, json=given.pop("json"))
    own = {name: given.pop(name) for name in flags}
    meta = given.pop("meta")
    try:
        method = of()
        _check_own(method, given)
        config = config_of(method.name, **_without_defaults(given))
    except ConfigError as error:
        raise UsageError(str(error), error.hint, error.others) from None
    return body(meta, config, console, **own)


def _check_own(method: Method, given: Mapping[str, Any]) -> None:
    """Raise ConfigError for options that only other methods have."""
    others = {name for one in all_methods().values() for name in own_options(one)}
    wrong = [
        (f"`train {method.name}` has no `{flag(name)}`", "leave it out")
        for name, value in given.items()
        if name in others - set(own_options(method)) and value is not None
    ]
    if wrong:
        raise ConfigError(*wrong[0], wrong[1:])


def _without_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given, without the options whose default is left to the method."""
    left = {name for one in all_methods().values() for name in own_options(one)}
    return {name: value for name, value in given.items() if name not in left or value is not None}


def _typed(
    run: Callable[..., int], words: tuple[str, str], settings: list[_Named], flags: Flags
) -> Callable[..., int]:
    """Give a function the signature that Typer makes a command of.

    Args:
        words: Name of the command, and what it does.
    """
    each = [
        _Named("meta", _META, inspect.Parameter.empty),
        *settings,
        *(_Named(name, kind, False) for name, kind in flags.items()),
        *(_Named("quiet", QUIET, False), _Named("verbose", VERBOSE, False)),
        _Named("json", JSON, False),
    ]
    run.__name__, run.__doc__ = words
    run.__annotations__ = {one.name: one.kind for one in each} | {"return": int}
    vars(run)["__signature__"] = inspect.Signature(
        [
            inspect.Parameter(
                one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=one.kind
            )
            for one in each
        ]
    )
    return run
