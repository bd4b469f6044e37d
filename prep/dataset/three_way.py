"""The one rule for hand edits: what we last wrote, what is there now, what we would write.

Serves every field of every view: sidecars, meta files, the sheet. Knows none of them.
"""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Whose value a field has after the merge."""

    SAME = "same"
    """There already is what we would write."""
    OURS = "ours"
    """Nobody touched it: ours is written."""
    THEIRS = "theirs"
    """A person's value: it is kept, and replaces the machine's whole."""
    BACK = "back"
    """A person deleted what we wrote: the machine's value returns."""
    CONFLICT = "conflict"
    """Two people's edits differ: what is there stays, and somebody has to decide."""


@dataclass(frozen=True)
class Merge:
    """The value a field has from now on, and whose it is; None is an absent file or field."""

    value: str | None
    verdict: Verdict


def merged(
    base: str | None, theirs: str | None, ours: str | None, ours_by_person: bool = False
) -> Merge:
    """Return what becomes of one field of one sample.

    Args:
        base: What we last wrote; None if we never did, so that whatever is there is a person's.
        theirs: What is there now; None if it is absent or was deleted.
        ours: What we would write; None if there is nothing to say.
        ours_by_person: Whether `ours` is a person's as well, from another place (the sheet).
    """
    if theirs == ours:
        return Merge(ours, Verdict.SAME)
    if theirs is None:
        return Merge(ours, Verdict.OURS if base is None else Verdict.BACK)
    if theirs == base:
        return Merge(ours, Verdict.OURS)
    if ours_by_person and ours != base:
        return Merge(theirs, Verdict.CONFLICT)
    return Merge(theirs, Verdict.THEIRS)
