r"""Regular expressions that a person wrote, bounded: no pattern hangs a run or fills the memory.

They are what Python's `re` accepts and mean what they mean there; `regex` carries them out, for
it can be stopped. A pattern is short, what its counted repeats multiply to is small, a
replacement takes at most a second of this process's own time, and its result has a limit.
"""

import re
import warnings
from math import prod
from typing import Any

from prep.runtime.errors import ConfigError

MAX_CHARS = 200
MAX_REPEATS = 1000
MAX_RESULT = 20_000
LIMIT_S = 1.0

_COUNTED = re.compile(r"\{(\d*),?(\d*)\}", re.ASCII)


class PatternError(Exception):
    """A pattern, or what is to stand in its place, that is not taken: message and hint."""


def check(pattern: str, new: str) -> None:
    """Raise PatternError where a pattern or its replacement is wrong or without bound."""
    if len(pattern) > MAX_CHARS:
        raise PatternError(
            f"a pattern has at most {MAX_CHARS} characters", "write several shorter ones"
        )
    if _repeats(pattern) > MAX_REPEATS:
        raise PatternError(
            f"the repeats of `{pattern}` multiply to more than {MAX_REPEATS}", "write `+` or `*`"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what may mean something else one day is refused
            compiled = re.compile(pattern)
            _bounded(pattern)
    except Exception as error:  # each of the two libraries has its own, and some are ValueErrors
        raise PatternError(
            f"`{pattern}` is not a pattern: {_why(error)}",
            r"put a backslash before a character that stands for itself, such as `\(`",
        ) from None
    try:
        _groups_only(compiled).sub(new, "")
    except (re.error, IndexError) as error:
        groups = ", ".join(f"`\\{number}`" for number in range(1, compiled.groups + 1))
        raise PatternError(
            f"`{new}` cannot stand in place of `{pattern}`: {_why(error)}",
            f"its groups are {groups}" if groups else "it has no groups; write a backslash twice",
        ) from None


def replaced(pattern: str, new: str, text: str) -> str:
    r"""Return `text` with each match of a checked pattern replaced; `\1` is the first group.

    Raises:
        ConfigError: It takes more than a second, or the result is longer than anyone would write.
    """
    try:
        result: str = _bounded(pattern).sub(new, text, timeout=LIMIT_S)
    except TimeoutError:
        raise ConfigError(
            f"the pattern `{pattern}` takes more than {LIMIT_S:g} s on `{text[:40]}`",
            "write it without a repeat inside a repeat",
        ) from None
    if len(result) > MAX_RESULT:
        raise ConfigError(
            f"the pattern `{pattern}` makes more than {MAX_RESULT} characters of `{text[:40]}`",
            "let what stands in its place be shorter",
        )
    return result


def _bounded(pattern: str) -> Any:
    import regex  # type: ignore[import-untyped]

    return regex.compile(pattern, regex.VERSION0)


def _groups_only(pattern: "re.Pattern[str]") -> "re.Pattern[str]":
    """Return a pattern that matches no characters and has the same groups."""
    names = {number: f"?P<{name}>" for name, number in pattern.groupindex.items()}
    return re.compile("".join(f"({names.get(n + 1, '')})" for n in range(pattern.groups)))


def _repeats(pattern: str) -> int:
    """Return what the numbers of counted repeats multiply to: `regex` unrolls them in memory."""
    each = ((int(least or 1), int(most or 1)) for least, most in _COUNTED.findall(pattern))
    return prod(max(*pair, 1) for pair in each)


def _why(error: Exception) -> str:
    return str(getattr(error, "msg", "") or error)
