"""A value that does not fit where it stands, and the way to it, in a person's words."""

import json
import reprlib
from collections.abc import Mapping
from typing import Any, Literal

from prep.runtime import keys

_SHOWN = 40
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlist = 2, 6

Subject = Literal["field", "owner", "none"]


class Misfit(Exception):  # noqa: N818 - it reads as what the value is
    """A value that a field cannot hold.

    Attributes:
        what: What is wrong, as `is "3"` or `has no weight`.
        hint: What to write.
        subject: Whom `what` is said of: the value (`field`), what it is a field of (`owner`), or
            `none` where it is a sentence.
        path: Names of fields and keys that lead to the value, the outermost first.
    """

    def __init__(self, what: str, hint: str, subject: Subject = "field") -> None:
        super().__init__(what, hint)
        self.what, self.hint, self.subject = what, hint, subject
        self.path: tuple[str, ...] = ()

    def sentence(self, entries: Mapping[str, str]) -> str:
        """Return what is wrong, as it follows the file's name.

        Args:
            entries: Outermost field -> how an entry of it is called, before its name.
        """
        paths = {"field": self.path, "owner": self.path[:-1]}
        path = paths.get(self.subject, ())
        if path:
            return f": {_path_in_words(path, entries)} {self.what}"
        return f": {self.what}" if self.subject == "none" else f" {self.what}"


def _path_in_words(path: tuple[str, ...], entries: Mapping[str, str]) -> str:
    """Return what fields and keys lead to, as a person knows it."""
    *outer, last = path
    if len(outer) == 1 and outer[0] in entries:
        what = entries[outer[0]]
        return f"{what}`{keys.shown(last)}`" if last else f"{what or 'the entry '}without a name"
    if outer:
        return f"`{keys.shown(last)}` of {_path_in_words(tuple(outer), entries)}"
    return f"`{last}`"


def at(name: str, misfit: Misfit) -> Misfit:
    """Return a misfit as one of what `name` leads to."""
    misfit.path = (name, *misfit.path)
    return misfit


def excerpt(value: Any) -> str:
    """Return a value as an error shows it, in backticks and short."""
    words: dict[Any, str] = {type(None): "null", bool: json.dumps(value is True), dict: "{...}"}
    said = words.get(type(value)) or _SHORT.repr(value)
    return f"`{short(json.dumps(value) if isinstance(value, str) else said)}`"


def short(said: str) -> str:
    """Return a text as an error shows it: of a long one, its beginning."""
    plainly = keys.shown(said)
    return plainly if len(plainly) <= _SHOWN else f"{plainly[:_SHOWN]}..."
