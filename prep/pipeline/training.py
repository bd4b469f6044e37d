"""The `train:` section of a pipeline: the command it stands for, and what is wrong with it.

Knows no setting of `train`: its own program checks them, in a process of its own.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from prep.dataset.chain import link_of
from prep.pipeline.config import Pipeline
from prep.runtime.errors import ConfigError, UsageError

_OPTION = re.compile(r"`--([a-z][a-z-]*)(?: ([^`]*))?`")
_PAIR = re.compile(r"^error: (.*)(?:\nhint: (.*))?", re.MULTILINE)
_ABSENT = "no such option"
# Options of `train check` that the training itself lacks, or that end it at once.
_NO_SETTINGS = {"ahead", "help"}


def command(pipeline: Pipeline) -> list[str]:
    """Return the command line of the training step."""
    options = dict(pipeline.train or {})
    return [*_program(), str(options.pop("method")), _meta(pipeline), *_flags(options)]


def check(pipeline: Pipeline) -> None:
    """Let `train check` look at the whole section, before there is a dataset.

    Raises:
        ConfigError: It has mistakes: all that can be found, with the lines they stand in.
        SystemExit: The check itself ended otherwise than well; it has said why.
    """
    left = dict(pipeline.train or {})
    found: list[tuple[int, str, str | None]] = []
    for word in sorted(_NO_SETTINGS & set(left)):
        del left[word]
        found.append((pipeline.lines.get(word, 0), f"`train` has no key `{word}`", "leave it out"))
    while True:
        code, told = _asked(pipeline, left)
        keys = {key for message, _ in told if (key := _key(message, left))}
        for message, hint in told:
            key = _key(message, left)
            line = pipeline.lines.get(key or "", 0)
            found.append((line, _plain(message, key), hint and _plain(hint, None)))
        # A mistake of the command line hides what comes after it: ask again without it.
        if code != UsageError.exit_code or not keys:
            break
        left = {key: value for key, value in left.items() if key not in keys}
    if found:
        found.sort(key=lambda mistake: mistake[0])
        pairs = [(f"`{pipeline.file}` line {line}: {what}", hint) for line, what, hint in found]
        raise ConfigError(*pairs[0], others=pairs[1:])


def _asked(
    pipeline: Pipeline, section: Mapping[str, Any]
) -> tuple[int, list[tuple[str, str | None]]]:
    """Return the exit code of `train check` for a section, and the errors that it told."""
    words = ["check", _meta(pipeline), "--ahead", *_flags(section)]
    done = subprocess.run(
        [*_program(), *words],
        capture_output=True,
        text=True,
        errors="backslashreplace",
        check=False,
    )
    told = [(pair[1], pair[2]) for pair in _PAIR.finditer(done.stderr)]
    if done.returncode and not told:
        sys.stderr.write(done.stderr)
        raise SystemExit(done.returncode)
    return done.returncode, told


def _key(message: str, section: Mapping[str, Any]) -> str | None:
    """Return the key of a section that a message speaks of: by its name, or by its value."""
    flags = {_flag(key): key for key in section}
    for option in _OPTION.finditer(message):
        if (key := flags.get(f"--{option[1]}")) is not None:
            return key
    for key, value in section.items():
        if isinstance(value, str) and value:
            names = (value, os.path.relpath(value))
            if any(f"`{name}{end}" in message for name in names for end in "`/"):
                return key
    return None


def _plain(text: str, key: str | None) -> str:
    """Return what `train` says of options as it would be said of keys."""
    if key is not None and text.startswith(_ABSENT):
        return f"`train` has no key `{key}`"

    def shown(option: re.Match[str]) -> str:
        name = option[1].replace("-", "_")
        return f"`{name}: {option[2]}`" if option[2] else f"`{name}`"

    return _OPTION.sub(shown, text)


def _program() -> list[str]:
    # -P: a folder or file named `train` where the person stands is not the program.
    return [sys.executable, "-P", "-m", "train"]


def _meta(pipeline: Pipeline) -> str:
    return os.fspath(link_of(pipeline.meta, "meta_lat"))


def _flags(section: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    for name, value in section.items():
        flag = _flag(name)
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            words += [flag, str(value)]
    return words


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"
