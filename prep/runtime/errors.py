"""Errors a person can act on.

UserError            1  something outside the code has to change
  ConfigError        1  pipelines.yaml or an option is wrong
  DatasetError       1  a file of the dataset is missing, torn or of another version
  ModelFileError     1  a model file is missing or is not the one that was asked for
  MachineError       1  the disk is full, a folder cannot be written, state is damaged
  UsageError         2  the command line itself
  HeldError          5  another run holds the dataset

Any other exception is a bug and keeps its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches

_SHOWN = 12


class UserError(Exception):
    """Stop the command, print `message`, then `hint`, and exit with `exit_code`.

    Attributes:
        hint: What to type or mend next; None where the message says it all.
        others: Further (message, hint) pairs of the same kind, shown below the first: all the
            mistakes of one file are told at once.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        others: Iterable[tuple[str, str | None]] = (),
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.others = tuple(others)


class ConfigError(UserError):
    """pipelines.yaml, a rules file or an option is wrong."""


class DatasetError(UserError):
    """A file of the dataset is missing, torn or of another version."""


class ModelFileError(UserError):
    """A model file is missing, damaged or not the one that was asked for."""


class MachineError(UserError):
    """The machine stands in the way: a full disk, a read-only folder, damaged state."""


class UsageError(UserError):
    """The command line itself is wrong."""

    exit_code = 2


class HeldError(UserError):
    """Another run holds the dataset."""

    exit_code = 5


def no_such(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """Return the error for a name that is not in `known`, hinting at the nearest one that is."""
    return ConfigError(f"no {kind} is named `{name}`", nearest(name, known))


def nearest(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return the hint for a misspelt name: the nearest known one, else a dozen of them.

    One that differs in capitals alone is the nearest.

    Args:
        otherwise: The hint where none is near, in place of the dozen.
    """
    names = sorted(known)
    near = [one for one in names if one.lower() == name.lower()]
    near = near or get_close_matches(name, names, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    if otherwise:
        return otherwise
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"known: {', '.join(names[:_SHOWN])}{more}" if names else "none is known here"
