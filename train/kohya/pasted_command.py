"""A command line as it stands in an article: bash, PowerShell or cmd, over one line or several."""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from prep.runtime.errors import ConfigError
from train.kohya.kohya_keys import FLAGS, SEVERAL

# What ends a line that goes on: bash, PowerShell, cmd.
_GOES_ON = re.compile(r"[ \t]*[\\`^][ \t]*\n")
_WINDOWS_PATH = re.compile(r"(^|[\s\"'=])[A-Za-z]:\\|\.\\")
_REMARK = re.compile(
    r"^[ \t]*(#|rem\s|::).*\n?|[ \t]#[ \t][^'\"\n]*$", re.IGNORECASE | re.MULTILINE
)
_SET = re.compile(r"^\s*(?:set\s+|export\s+|\$)?\"?(\w+)\s*=\s*(.*?)\s*$", re.IGNORECASE)
_NAMED = re.compile(r"\$\{(\w+)\}|\$(\w+)|%(\w+)%")
# accelerate's word and torchrun's.
_COUNT = re.compile(r"--(num_processes|nproc[-_]per[-_]node)[= ](\d+)")
_ENDS = ("&&", ";", "||", "|")
# What typesetting makes of quotes and of two dashes.
_TYPESET = str.maketrans(
    dict.fromkeys("\u201c\u201d\u201e", '"') | dict.fromkeys("\u2018\u2019", "'")
)
_DASHES = re.compile("(?<!\\S)[\u2013\u2014]+(?=[a-z])")


class PastedCommand(NamedTuple):
    """A command line, taken apart.

    Attributes:
        script: Name of the script that it starts, without folder and ending.
        options: Name -> a text, several texts, or True for a flag. The last one counts.
        processes: How many its launcher is told to start; 1 where it is not told.
        launcher: Names of the launcher's other options.
    """

    script: str
    options: Mapping[str, Any]
    processes: int = 1
    launcher: tuple[str, ...] = ()


def parsed(text: str) -> PastedCommand:
    """Return the training script that a command line starts, and its options.

    Of what stands in front of the script (`accelerate launch` and its options) the number of
    processes is read, and the names of the others; other lines are left out; variables that they
    set are put in.

    Raises:
        ConfigError: It starts none, or several, or a word or value is not where one can be.
    """
    text = _DASHES.sub("--", text.translate(_TYPESET).replace("\r\n", "\n"))
    lines = _GOES_ON.sub(" ", _REMARK.sub("", text)).splitlines()
    named = {found[1]: found[2].strip("\"'") for line in lines if (found := _SET.match(line))}
    commands = [line for line in lines if re.search(r"\.py\b", line) and not _SET.match(line)]
    each = [list(_words(line, named, not _WINDOWS_PATH.search(text))) for line in commands]
    scripts = [(words, n) for words in each for n, one in enumerate(words) if _is_script(one)]
    if len(scripts) != 1:
        told = "starts no script (`train_network.py`)" if not scripts else "starts several scripts"
        raise ConfigError(
            f"the command line {told}", "paste one command, from `accelerate` to its last option"
        )
    ((words, at),) = scripts
    name = re.split(r"[\\/]", words[at])[-1][: -len(".py")]
    return PastedCommand(name, _options(words[at + 1 :]), *_launched(words[:at]))


def _launched(words: list[str]) -> tuple[int, tuple[str, ...]]:
    """Return how many processes the words of a launcher ask for, and its other options."""
    found = _COUNT.search(" ".join(words))
    names = [word[2:].partition("=")[0] for word in words if word.startswith("--")]
    more = dict.fromkeys(name for name in names if not (found and name == found[1]))
    return int(found[2]) if found else 1, tuple(more)


def _is_script(word: str) -> bool:
    return word.lower().endswith(".py")


def _options(words: list[str]) -> dict[str, Any]:
    """Return options with the values that each can have, as their scripts read them."""
    found: dict[str, list[str]] = {}
    name = ""
    for word in words:
        if word in _ENDS:
            break
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            found[name] = [value] if equals else []
            if equals and name in FLAGS:
                raise ConfigError(
                    f"`--{name}` takes no value", f"write `--{name}`, or leave it out"
                )
        elif name and name not in FLAGS and (name in SEVERAL or not found[name]):
            found[name].append(word)
        else:
            raise ConfigError(f"`{word}` belongs to no option", "options begin with `--`")
    for name, values in found.items():
        if not values and name not in FLAGS:
            raise ConfigError(f"`--{name}` has no value", "give it one, or leave it out")
    return {
        name: True if name in FLAGS else values if len(values) > 1 else values[0]
        for name, values in found.items()
    }


def _words(line: str, named: Mapping[str, str], escapes: bool) -> Iterator[str]:
    """Yield the words of a line: a pair of quotes holds spaces together.

    Args:
        named: Variable -> its value.
        escapes: Whether a backslash takes the next character's meaning away; where paths are those
            of Windows it is a part of them.
    """

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2] or found[3]
        if name not in named:
            told = f"`{found[0]}` is a variable that is not set in what was pasted"
            raise ConfigError(told, "write its value in its place")
        return named[name]

    reader = shlex.shlex(_NAMED.sub(value, line), posix=True)
    reader.whitespace_split, reader.commenters = True, ""
    reader.escape = "\\" if escapes else ""
    try:
        yield from reader
    except ValueError:
        told = f"a quote is not closed in `{line.strip()[:60]}`"
        raise ConfigError(told, "close it") from None
