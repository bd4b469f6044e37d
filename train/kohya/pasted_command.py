"""A command line as it stands in an article: bash, PowerShell or cmd, over one line or several."""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from prep.runtime.errors import ConfigError

# What ends a line that goes on: bash, PowerShell, cmd.
_GOES_ON = re.compile(r"[ \t]*[\\`^][ \t]*\r?\n")
_WINDOWS_PATH = re.compile(r"(^|[\s\"'=])[A-Za-z]:\\|\.\\")
_ENDS = ("&&", ";", "||", "|")


class PastedCommand(NamedTuple):
    """A command line, taken apart.

    Attributes:
        script: Name of the script that it starts, without folder and ending.
        options: Name -> a text, several texts, or True where it has no value. The last one counts.
    """

    script: str
    options: Mapping[str, Any]


def parsed(text: str) -> PastedCommand:
    """Return the training script that a command line starts, and its options.

    What stands in front of the script (`accelerate launch` and its options) is left out.

    Raises:
        ConfigError: It starts none, or several, or has a word that belongs to no option.
    """
    words = list(_words(text))
    scripts = [n for n, word in enumerate(words) if word.lower().endswith(".py")]
    if len(scripts) != 1:
        told = "starts no script (`train_network.py`)" if not scripts else "starts several scripts"
        raise ConfigError(
            f"the command line {told}", "paste one command, from `accelerate` to its last option"
        )
    (at,) = scripts
    name = re.split(r"[\\/]", words[at])[-1][: -len(".py")]
    return PastedCommand(name, _options(words[at + 1 :]))


def _options(words: list[str]) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    name = ""
    for word in words:
        if word in _ENDS:
            break
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            found[name] = [value] if equals else []
        elif not name:
            raise ConfigError(f"`{word}` belongs to no option", "options begin with `--`")
        else:
            found[name].append(word)
    single = {name: values[0] for name, values in found.items() if len(values) == 1}
    return {name: values or True for name, values in found.items()} | single


def _words(text: str) -> Iterator[str]:
    """Yield the words of a command line: a pair of quotes holds spaces together.

    Where paths are those of Windows a backslash is a part of them, else it takes the next
    character's meaning away.
    """
    for line in _GOES_ON.sub(" ", text).splitlines():
        if line.lstrip().lower().startswith(("#", "rem ", "::")):
            continue
        reader = shlex.shlex(line, posix=True)
        reader.whitespace_split, reader.commenters = True, ""
        reader.escape = "" if _WINDOWS_PATH.search(text) else "\\"
        try:
            yield from reader
        except ValueError:
            told = f"a quote is not closed in `{line.strip()[:60]}`"
            raise ConfigError(told, "close it") from None
