"""The options by which `prep edit` and its like name pictures and what to do with their words."""

import inspect
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from typer.core import TyperCommand

from prep.cli.options import parameter
from prep.pipeline.subcommands import flag

if TYPE_CHECKING:
    from prep.commands.bulk_edit import Request
    from prep.edits.filters import Filter
    from prep.edits.rules import Op, Rule

_Pair = Optional[tuple[str, str]]  # noqa: UP045 - Typer reads it at run time
_Many = Optional[list[str]]  # noqa: UP045

_SHARED = ("folder", "state", "tagger")  # of the command's own parameters
_AGAIN = {"where": "write one: `solo (rain or snow)`", "caption": "keep one"}
_AGAIN_LATER = "type two commands, one after the other"
_WHERE = 'only these pictures: "1girl -solo width<512"; alone, lists them'
_SAVE = "append it to the rules file instead: new pictures get it too"
_OPTIONS: Mapping[str, tuple[Any, str, str]] = {
    "where": (Optional[str], "FILTER", _WHERE),  # noqa: UP045
    "drop": (_Many, "TAGS", "remove tags from the text files; `*` stands for any text"),
    "rename": (_Pair, "OLD NEW", "one tag for another"),
    "replace": (_Pair, "REGEX NEW", "a regular expression in each tag"),
    "add": (_Many, "TAGS", "tags at the end, where absent"),
    "first": (_Many, "TAGS", "tags to the front, where present"),
    "caption": (Optional[str], "TEXT", "set the caption"),  # noqa: UP045
    "replace_caption": (_Pair, "REGEX NEW", "a regular expression in the caption"),
}


class EditCommand(TyperCommand):
    """A command that takes these options, the ones that take a single value only once."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line as Typer does, which would keep the last of two values.

        Raises:
            UsageError: One of these options is given twice.
        """
        from prep.runtime.errors import UsageError

        order = self.make_parser(ctx).parse_args(args=list(args))[2]
        left = super().parse_args(ctx, args)
        once = [name for name, (kind, _, _) in _OPTIONS.items() if kind is not _Many]
        found = [param.name for param in order]
        if twice := next((name for name in once if found.count(name) > 1), None):
            raise UsageError(f"`{flag(twice)}` is given twice", _AGAIN.get(twice, _AGAIN_LATER))
        return left


def parameters() -> list[inspect.Parameter]:
    """Return the parameters that a command takes beside its own, as Typer reads them."""
    found = [
        parameter(name, Annotated[kind, typer.Option(flag(name), metavar=shown, help=text)], None)
        for name, (kind, shown, text) in _OPTIONS.items()
    ]
    return [*found, parameter("save", Annotated[bool, typer.Option("--save", help=_SAVE)], False)]


def take_values(given: dict[str, Any]) -> dict[str, Any]:
    """Return these options' values out of `given`, those that were given."""
    found = {name: given.pop(name, None) for name in (*_OPTIONS, "save")}
    # An empty text was given: a filter that is empty is a mistake, and not all pictures.
    return {name: value for name, value in found.items() if value or value == ""}


def request(
    given: Mapping[str, Any], asked: Mapping[str, Any], dry: bool, pipelines: Path | None
) -> "Request":
    """Return what the options ask for.

    Args:
        given: The command's own parameters.
        asked: What `take_values` took out of them.
        dry: Change nothing.
        pipelines: `--pipelines`.

    Raises:
        UsageError: A filter or pattern cannot be read, `--save` has nothing to save, or an option
            is one of the rules' own.
    """
    from prep.commands.bulk_edit import Request
    from prep.runtime.errors import UsageError

    rule, target = _rule(asked), Path(given["folder"])
    other = [name for name, value in given.items() if value is not None and name not in _SHARED]
    if other:
        raise UsageError(
            f"`{flag(other[0])}` does not go with `{flag(next(iter(asked)))}`",
            "one edits words now, the other says how rules make a dataset file: type two commands",
        )
    save = bool(asked.get("save"))
    if save and rule is None:
        raise UsageError("`--save` has nothing to save", "say what to do: `--drop blurry --save`")
    return Request(
        target=target,
        where=_where(str(asked["where"])) if "where" in asked else None,
        rule=rule,
        said=_command_line(target, asked),
        dry=dry,
        save=save,
        state=given["state"],
        tagger=given["tagger"] or "",
        pipelines=pipelines,
    )


def _where(text: str) -> "Filter":
    from prep.edits.filter_parser import FilterError, parsed
    from prep.runtime.errors import UsageError

    try:
        return parsed(text)
    except FilterError as error:
        raise UsageError(f"`--where` {error.message}", error.hint) from None


def _rule(asked: Mapping[str, Any]) -> "Rule | None":
    from prep.edits.rules import Op, Rule

    steps = []
    for name in _OPTIONS:
        if name != "where" and name in asked:
            steps.append(_operation(Op(name), asked[name]))
    if not steps:
        return None
    return Rule(steps[0].op, steps[0].tags, steps[0].new, None, tuple(steps[1:]))


def _operation(op: "Op", value: Any) -> "Rule":
    from prep.edits.rules import PAIRED, Op, Rule
    from prep.runtime.errors import UsageError
    from prep.tags import tag_text

    shown, texts = flag(op.value), [value] if isinstance(value, str) else list(value)
    _check(op, texts)
    if op in (Op.REPLACE, Op.REPLACE_CAPTION):
        return Rule(op, (texts[0],), (texts[1],))
    if op is Op.CAPTION:
        return Rule(op, (" ".join(texts[0].split()),))
    each = [tag_text.parsed(text) for text in texts]
    if op in PAIRED:
        if any(len(side) != 1 for side in each):
            raise UsageError(
                f"`{shown}` needs one tag and one new one", f"write `{shown} grin smile`"
            )
        return Rule(op, each[0], each[1])
    found = tuple(dict.fromkeys(tag for side in each for tag in side))
    if not found:
        raise UsageError(f"`{shown}` names no tag", f"write `{shown} blurry`")
    return Rule(op, found)


def _check(op: "Op", texts: list[str]) -> None:
    from prep.edits import bounded_regex
    from prep.edits.rules import Op
    from prep.runtime import text_files
    from prep.runtime.errors import UsageError

    try:
        for text in texts:
            text_files.check_text(text)
        if op in (Op.REPLACE, Op.REPLACE_CAPTION):
            bounded_regex.check(*texts)
    except bounded_regex.PatternError as error:
        raise UsageError(f"`{flag(op.value)}`: {error.args[0]}", error.args[1]) from None
    except text_files.TextError as error:
        raise UsageError(f"`{flag(op.value)}`: {error}", "type it without") from None


def _command_line(target: Path, asked: Mapping[str, Any]) -> str:
    words = ["prep", "edit", str(target)]
    for name, value in asked.items():
        if value is True:
            words.append(flag(name))
        elif isinstance(value, tuple):
            words += [flag(name), *value]
        else:
            each: Iterable[str] = value if isinstance(value, list) else [value]
            words += [word for one in each for word in (flag(name), one)]
    return shlex.join(words)
