"""What pictures to draw: lines of text as kohya's scripts read them. Text only.

`a cat on a roof --n dog --w 512 --h 512 --d 7 --s 20 --l 7.5 --ss euler_a`; `#` begins a comment
line.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prep.runtime.errors import ConfigError, DatasetError
from prep.runtime.files import content
from train.families.family import Family
from train.samples import schedulers

_WORD = re.compile(r"(?:^|\s)--([a-z]+)(?:\s+|$)")
# Kohya's letters: field of `Prompt`, what it must be, least and most.
_FLAGS: Mapping[str, tuple[str, type, float, float]] = {
    "n": ("negative", str, 0, 0),
    "w": ("width", int, 8, 8192),
    "h": ("height", int, 8, 8192),
    "d": ("seed", int, 0, (1 << 63) - 1),
    "s": ("steps", int, 1, 1000),
    "l": ("guidance", float, 0, 100),
    "ss": ("sampler", str, 0, 0),
}


@dataclass(frozen=True)
class Prompt:
    """One picture that is asked for.

    Attributes:
        width: In px, a multiple of 8; so is `height`.
        guidance: How strongly text decides; 1 is the network's plain answer.
        sampler: One of `schedulers.names`.
    """

    text: str
    negative: str = ""
    width: int = 512
    height: int = 512
    seed: int = 0
    steps: int = 20
    guidance: float = 7.5
    sampler: str = schedulers.DDIM


def read(path: Path, usual: Prompt) -> list[Prompt]:
    """Return the prompts of a file, one a line.

    Args:
        usual: What a line does not say.

    Raises:
        ConfigError: The file is missing, empty, or has mistakes: all of them at once.
    """
    if not path.is_file():
        what = "is not a file" if path.exists() else "is not there"
        raise ConfigError(
            f"the file of prompts `{path}` {what}", "name a text file with one prompt a line"
        )
    try:
        text = content(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, DatasetError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"the prompts in `{path}` cannot be read: {why}", "write one prompt a line, as UTF-8"
        ) from None
    found: list[Prompt] = []
    wrong: list[tuple[str, str | None]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                found.append(parse(line, usual))
            except ConfigError as error:
                wrong.append((f"`{path}` line {number}: {error}", error.hint))
    if wrong:
        (message, hint), *others = wrong
        raise ConfigError(message, hint, others)
    if not found:
        raise ConfigError(f"`{path}` holds no prompt", "write one prompt a line")
    return found


def parse(line: str, usual: Prompt) -> Prompt:
    """Return the prompt of one line.

    Raises:
        ConfigError: A flag is not known, or its value is out of its limits.
    """
    text, *rest = _WORD.split(line.strip())
    given: dict[str, Any] = {}
    for flag, value in zip(rest[::2], rest[1::2], strict=True):
        if flag not in _FLAGS:
            raise ConfigError(f"`--{flag}` is not known", f"known: --{', --'.join(_FLAGS)}")
        name, kind, least, most = _FLAGS[flag]
        given[name] = value.strip() if kind is str else _number(flag, value, (kind, least, most))
    if "sampler" in given:
        given["sampler"] = schedulers.named(given["sampler"], "--ss")
    return replace(usual, text=text.strip(), **given)


def _number(flag: str, value: str, limits: tuple[type, float, float]) -> Any:
    kind, least, most = limits
    try:
        found = kind(value)
    except ValueError:
        found = None
    if found is None or not least <= found <= most:
        raise ConfigError(f"`--{flag} {value.strip()}` is wrong", f"give {least} to {most}")
    if flag in "wh" and found % 8:
        raise ConfigError(f"`--{flag} {value.strip()}` is wrong", "give a multiple of 8")
    return found


def check_drawable(prompt: Prompt, family: Family) -> None:
    """Raise ConfigError where a model of a family cannot draw a prompt as it is asked for."""
    schedulers.check(prompt.sampler, prompt.steps, family)
    for flag, side in (("w", prompt.width), ("h", prompt.height)):
        if side % family.side_step:
            raise ConfigError(
                f"`--{flag} {side}` is wrong for a model of the kind `{family.name}`",
                f"give a multiple of {family.side_step}",
            )
