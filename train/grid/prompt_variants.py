"""Prompts with words to choose from: `a {red|blue} cat` is two prompts. Text only.

Source of the syntax: adieyal/sd-dynamic-prompts (extension of AUTOMATIC1111), docs/SYNTAX.md,
"Variants", in its combinatorial generation; those of counts, weights and files are not taken.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from prep.runtime.errors import ConfigError
from train.samples.prompts import Prompt

MOST = 400  # prompts that one may become
_COUNTED = re.compile(r"\$\$")
_WEIGHED = re.compile(r"(?:^|[{|])\s*\d*\.?\d+::")


def variants(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return each prompt once for every choice of its words, and of its negative prompt's.

    The first choice changes slowest; what turns out the same is there once.

    Raises:
        ConfigError: Braces do not fit together, or there are too many choices.
    """
    found = [
        replace(prompt, text=text, negative=negative)
        for prompt in prompts
        for text in chosen(prompt.text)
        for negative in chosen(prompt.negative)
    ]
    return list(dict.fromkeys(found))


def chosen(text: str) -> list[str]:
    """Return a text with every choice of its words, each once.

    Raises:
        ConfigError: Braces do not fit together, or there are more than `MOST` choices.
    """
    if _COUNTED.search(text) or _WEIGHED.search(text):
        raise ConfigError(
            f"`{text}` asks for a count or a weight of variants",
            "write plain ones, as `{red|blue}`: every one is drawn",
        )
    found, end = _sequence(text, 0, inside=False)
    if end < len(text):
        raise _braces(text)
    return list(dict.fromkeys(found))


def _sequence(text: str, at: int, *, inside: bool) -> tuple[list[str], int]:
    """Return the choices of what begins at a place, and where it ends: at `|` or `}` of a choice.

    Args:
        inside: Whether it is one of the words to choose from.
    """
    found = [""]
    while at < len(text):
        if text[at] == "}" or (inside and text[at] == "|"):
            break
        if text[at] == "{":
            options, at = _options(text, at + 1)
            found = [before + one for before in found for one in options]
        else:
            found, at = [before + text[at] for before in found], at + 1
        if len(found) > MOST:
            raise ConfigError(
                f"`{text[:60]}` has more than {MOST} choices", "leave some of its words out"
            )
    return found, at


def _options(text: str, at: int) -> tuple[list[str], int]:
    """Return the words of a choice that begins at a place, and where the text goes on."""
    found: list[str] = []
    while True:
        options, at = _sequence(text, at, inside=True)
        found += options
        if at == len(text):
            raise _braces(text)
        at += 1
        if text[at - 1] == "}":
            return found, at


def _braces(text: str) -> ConfigError:
    return ConfigError(
        f"the braces of `{text}` do not fit together", "write words to choose from as `{red|blue}`"
    )
