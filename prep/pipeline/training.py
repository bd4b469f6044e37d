"""The `train:` section of a pipeline: the command it stands for, and what is wrong with it.

Knows no setting of `train`: its own program checks them, in a process of its own.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prep.dataset.file_names import LINKS, link_of
from prep.pipeline.pipeline import Pipeline
from prep.pipeline.subcommands import flag
from prep.runtime.errors import ConfigError, UsageError
from prep.runtime.program import program_words

_OPTION = re.compile(r"`--([a-z][a-z-]*)(?: ([^`]*))?`")
_PAIR = re.compile(r"^error: (.*)(?:\nhint: (.*))?", re.MULTILINE)
_ABSENT = re.compile(r"no such option `--(no-)?([^`]*)`")
_NO_VALUE = "does not take a value"
_HELP = "see `train check --help`"
# Options of the program that are not settings: they end it at once, or decide what it prints.
_NO_SETTINGS = {"ahead", "at_hand", "help", "json", "quiet", "verbose", "words_told"}

Pair = tuple[str, str | None]
_Mistakes = dict[str, list[Pair]]  # key of the section, empty for none -> what is wrong with it


def command(pipeline: Pipeline) -> list[str]:
    """Return the command line of the training step, after the words that start the program."""
    options = dict(pipeline.train or {})
    return [str(options.pop("method")), *_metas(pipeline), *flags(options)]


def typed_command(pipeline: Pipeline) -> str:
    """Return the same as a person could type it where they stand."""
    return shlex.join(["train", *map(near, command(pipeline))])


def child_command(pipeline: Pipeline, speech: Sequence[str]) -> list[str]:
    """Return the command that starts the training step after a run of prep.

    Args:
        speech: Options that say how it speaks.
    """
    return [*program_words("train"), *command(pipeline), *speech, "--words-told"]


def check(pipeline: Pipeline, *, at_hand: bool = False) -> None:
    """Let `train check` look at the whole section, before there is a dataset.

    Args:
        at_hand: Only at what is on this machine, and without its libraries: that is quick.

    Raises:
        ConfigError: It has mistakes: all that can be found, with the lines they stand in.
        SystemExit: The check itself failed; it has printed why.
    """
    found = [
        (pipeline.option(key).line, message, hint)
        for key, pairs in _mistakes(pipeline, ["--at-hand"] if at_hand else []).items()
        for message, hint in pairs
    ]
    if found:
        found.sort(key=lambda mistake: mistake[0])
        pairs = [(f"`{pipeline.file}` line {line}: {what}", hint) for line, what, hint in found]
        raise ConfigError(*pairs[0], others=pairs[1:])


def _mistakes(pipeline: Pipeline, how: list[str]) -> _Mistakes:
    """Return what is wrong with a section. A wrong key hides others: ask without it."""
    left = dict(pipeline.train or {})
    found: _Mistakes = {}
    for word in sorted(_NO_SETTINGS & set(left)):
        del left[word]
        found[word] = [(f"`train` has no key `{word}`", "leave it out")]
    while True:
        code, told = _ask(pipeline, left, how)
        again: set[str] = set()
        for message, hint in told:
            key = _key(message, left)
            again.add(key)
            if key and isinstance(left[key], bool) and (no := _ABSENT.match(message)) and no[1]:
                # Not a switch: ask about the key as one with a value.
                left[key] = pipeline.option(key).raw
            else:
                found.setdefault(key, []).append(_plain(message, hint, key, pipeline))
        if code != UsageError.exit_code or not again - {""}:
            break
        left = {key: value for key, value in left.items() if key not in found}
    for key, value in (pipeline.train or {}).items():
        if isinstance(value, bool) and not isinstance(left.get(key, value), bool):
            # It is a text, and YAML takes the word that a person wrote for a switch.
            text = pipeline.option(key).raw
            found[key] = [(f"`{key}` is `{text}`", f'put it in quotes: "{text}"')]
    return found


def _ask(pipeline: Pipeline, section: Mapping[str, Any], how: list[str]) -> tuple[int, list[Pair]]:
    """Return the exit code of `train check` for a section, and the errors that it told."""
    code, told, _ = answered(
        ["check", *_metas(pipeline), "--ahead", *how, *_checked_flags(section)]
    )
    return code, told


def answered(words: Sequence[str]) -> tuple[int, list[Pair], str]:
    """Return exit code, errors and words of the `train` program; it prints nothing.

    Raises:
        SystemExit: It failed and told no error; what it said is printed.
    """
    done = subprocess.run(
        [*program_words("train"), *words],
        capture_output=True,
        text=True,
        errors="backslashreplace",
        check=False,
    )
    told = [(pair[1], pair[2]) for pair in _PAIR.finditer(done.stderr)]
    if done.returncode and not told:
        sys.stderr.write(done.stderr)
        raise SystemExit(done.returncode)
    return done.returncode, told, done.stdout


def _key(message: str, section: Mapping[str, Any]) -> str:
    """Return the key of a section that a message speaks of: by its name, or by its value."""
    typed = {flag(key): key for key in section}
    typed |= {f"--no-{flag(key)[2:]}": key for key in section if f"no_{key}" not in section}
    for option in re.finditer(r"`(--[^` ]+)", message):
        if (key := typed.get(option[1])) is not None:
            return key
    for key, value in section.items():
        if isinstance(value, str) and value:
            names = (value, near(value), os.path.relpath(value))
            if any(f"`{name}{end}" in message for name in names for end in "`/"):
                return key
    return ""


def _plain(message: str, hint: str | None, key: str, pipeline: Pipeline) -> Pair:
    """Return what `train` says of options as it would be said of the section's keys."""
    if key and _ABSENT.match(message):
        message = f"`train` has no key `{key}`"
    elif key and message.endswith(_NO_VALUE):
        message, hint = f"`{key}` is `{pipeline.option(key).raw}`", "write true or false"
    for word in _NO_SETTINGS if hint else ():
        hint = _HELP if hint == f"did you mean `{flag(word)}`?" else hint
    for value in (pipeline.train or {}).values():
        if isinstance(value, str) and Path(value).is_absolute():
            message = message.replace(f"`{value}`", f"`{near(value)}`")
    return as_keys(message, hint)


def as_keys(message: str, hint: str | None) -> Pair:
    """Return what is said of options as it would be said of keys."""

    def shown(option: re.Match[str]) -> str:
        name = option[1].replace("-", "_")
        return f"`{name}: {option[2]}`" if option[2] else f"`{name}`"

    return _OPTION.sub(shown, message), hint and _OPTION.sub(shown, hint)


def _metas(pipeline: Pipeline) -> list[str]:
    """Return the dataset files that train: its own, then those of the pipelines beside it."""
    return [os.fspath(link_of(one.meta, LINKS[-1])) for one in (pipeline, *pipeline.also)]


def near(word: str) -> str:
    """Return a word of a command line with a path as it is where the person stands, if shorter."""
    found = os.path.relpath(word) if Path(word).is_absolute() else word
    found = f"./{found}" if found != word and found.startswith("-") else found
    return min(found, word, key=len)


def flags(section: Mapping[str, Any]) -> list[str]:
    """Return the settings of a section as words of a command line."""
    words: list[str] = []
    for name, value in section.items():
        option = flag(name)
        if isinstance(value, bool):
            words.append(option if value else f"--no-{option[2:]}")
        else:
            words += [option, str(value)]
    return words


def _checked_flags(section: Mapping[str, Any]) -> list[str]:
    """Return the same so that no option takes the next one for its value, nor a switch a value.

    `--no-x` is there for switches alone; of it and `--x` the last one counts.
    """
    words: list[str] = []
    for name, value in section.items():
        option = flag(name)
        if isinstance(value, bool):
            words += [f"--no-{option[2:]}", *([option] if value else [])]
        else:
            words.append(f"{option}={value}")
    return words
