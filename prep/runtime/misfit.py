"""A value that does not fit where it stands, and the way to it, in a person's words."""

from collections.abc import Mapping
from typing import Literal

from prep.runtime import keys

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
