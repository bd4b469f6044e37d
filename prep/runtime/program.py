"""How a program ends: mistakes as two lines, a stop with its code, a bug with its traceback.

Knows no command by name; `prep` and `train` both run their Typer app through it.
"""

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.runtime import console, keys
from prep.runtime.errors import MachineError, UsageError, UserError, nearest
from prep.runtime.stopping import INTERRUPTED, Stop, obey, patience
from prep.runtime.typed_words import read_without_pydantic

if TYPE_CHECKING:
    import typer
    from typer.exceptions import TyperException

_RIGHTS = (errno.EACCES, errno.EPERM, errno.EROFS)
_Near = Callable[[str, Sequence[str]], str | None]
_STOPPED = "stopped; run the same command to go on"
_FULL = MachineError(
    "the machine ran out of memory",
    "close what else needs memory, then run the same command again",
)


# An unknown option, the known ones that are near, the words of the command line -> the hint;
# None for the usual one.
Hint = Callable[[str, Sequence[str], Sequence[str]], str | None]


def nearest_option(_: str, near: Sequence[str], __: Sequence[str]) -> str | None:
    """Return the usual hint for an unknown option: the nearest one that there is."""
    return f"did you mean `{near[0]}`?" if near else None


def run_app(
    app: "typer.Typer", args: Sequence[str] | None, prog: str, hint: Hint = nearest_option
) -> None:
    """Run a Typer app and leave the process with its exit code.

    A command returns None (0) or its exit code; it may also raise `typer.Exit`. Options and
    commands that Typer refuses are shown as two lines, as every other mistake is.

    Args:
        app: Made with `rich_markup_mode=None` and `pretty_exceptions_enable=False`.
        args: The words of the command line; None takes them from the process.
        prog: The program's name, as typed.
        hint: Makes the hint for an unknown option.

    Raises:
        SystemExit: Always, unless the command met a bug: that keeps its own exception.
    """
    code: object = 0
    read_without_pydantic()
    stop = Stop()
    words = sys.argv[1:] if args is None else args
    try:
        with obey() as stop:
            _check_place(words)
            code = app(args=args, prog_name=prog, standalone_mode=False)
    except BaseException as error:
        if isinstance(error, UserError) and not stop.raised:
            stop.asked = None  # the stop only waited and did not cause the error
        if stop.asked is None:  # an error that a stop caused counts as the stop
            code = _show_end(error, prog, lambda name, near: hint(name, near, words))
    code = code if stop.asked is None else 128 + stop.asked
    if stop.asked is not None or code == INTERRUPTED:  # a prompt that was left has this code
        console.Console(err=sys.stderr).note(_STOPPED)
    raise SystemExit(code if isinstance(code, int) else 0)


def _show_end(error: BaseException, prog: str, hint: _Near) -> int:
    """Show what ended the program as two lines; return its exit code. A bug is raised again."""
    from typer.exceptions import Abort, TyperException

    if isinstance(error, TyperException):
        return _show_refusal(error, prog, hint)
    if isinstance(error, Abort | KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, MemoryError):
        error = _FULL
    elif isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        error = _too_long(str(error.filename))
    elif isinstance(error, OSError) and error.errno in _RIGHTS and error.filename:
        error = _without_rights(error)
    if not isinstance(error, UserError):
        raise error
    console.show_error(error, sys.stderr)
    return error.exit_code


def _without_rights(error: OSError) -> MachineError:
    """Return two lines for a file or folder that the person may not read or change."""
    path = keys.shown(os.path.relpath(os.fsdecode(error.filename)))
    return MachineError(
        f"`{path}` cannot be used: {error.strerror}",
        "give your user permission to read and change it and the folders above it",
    )


def _check_place(words: Sequence[str]) -> None:
    """Refuse folders whose names no file of ours can hold, before anything is done in them.

    Raises:
        UserError: The folder that the person stands in, or a word that they typed, is not UTF-8.
    """
    if not words or "--help" in words:
        return
    try:
        here = str(Path.cwd())
    except FileNotFoundError:
        raise UserError("the current folder is gone", "change to another one: `cd`") from None
    if not keys.is_text(here):
        raise UserError(
            f"the current folder, `{keys.shown(here)}`, has a name that is not valid UTF-8",
            "rename it, or the folder above it, then run the same command again",
        )
    for word in words:
        if not keys.is_text(word):
            raise UserError(f"`{keys.shown(word)}` is not valid UTF-8", "rename the file or folder")


def program_words(module: str) -> list[str]:
    """Return the words that start a program of ours, `prep` or `train`.

    -P: a folder or file of its name where the person stands is not the program.
    """
    return [sys.executable, "-P", "-m", module]


def run_child(command: Sequence[str]) -> int:
    """Run another program of ours; return its exit code, 128 + n where signal n ended it.

    A stop is the child's as well: Ctrl-C goes to all that runs in the terminal, SIGTERM is passed
    on. What the child has in hand, it saves before this returns; a second Ctrl-C waits no longer.
    """
    child = subprocess.Popen(list(command))

    def pass_on(number: int) -> None:
        if number == signal.SIGTERM:
            child.terminate()

    with patience(pass_on):  # the child decides how long it takes
        code = child.wait()
    return code if code >= 0 else 128 - code


def _show_refusal(error: "TyperException", prog: str, hint: _Near) -> int:
    """Show what Typer refused as two lines, or the help it answers an empty command line with."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(error.format_message() + "\n")
        return UsageError.exit_code
    place = f"see `{context.command_path if context else prog} --help`"
    message = (
        getattr(error, "message", "") if hasattr(error, "possibilities") else error.format_message()
    )
    near = _near(error, context, hint)
    console.show_error(UsageError(_plain(message), near or place), sys.stderr)
    return error.exit_code


def _too_long(path: str) -> UserError:
    """Return the error for a path that is too long for any disk."""
    longest = max(path.split("/"), key=len)
    name = longest if keys.too_long(longest) else path
    return UserError(
        f"the name `{name[:40]}...` has {len(name)} characters, more than a disk allows",
        "check it for a missing space",
    )


def _near(error: "TyperException", context: Any, hint: _Near) -> str | None:
    """Return the nearest name that Typer or the group knows, as a hint."""
    if hasattr(error, "possibilities"):
        return hint(
            str(getattr(error, "option_name", "")), getattr(error, "possibilities", None) or ()
        )
    wrong = re.match(r"No such command '(.*?)'", getattr(error, "message", ""))
    if wrong and context is not None:
        return nearest(wrong[1], context.command.list_commands(context))
    return None


def _plain(message: str) -> str:
    """Return a message of Typer's in our form: lower case start, backticks, no full stop."""
    short = re.sub(r"\. Did you mean .*\?$", "", message.strip())
    short = re.sub(r"No such option: (\S+)", r"No such option '\1'", short)
    quoted = re.sub(r"'([^']*)'", r"`\1`", short).rstrip(".")
    return quoted[:1].lower() + quoted[1:]
