"""What a run did, as a value: counts, and the reason of every picture that was left out."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prep.dataset.account import Account
from prep.engine.inventory import other_files
from prep.runtime.counts import counted

_SHOWN = 20
_NAMED = 5


@dataclass
class Report:
    """The end of a run.

    Attributes:
        made: Stage -> how many results it made.
        kept: Stage -> how many were up to date.
        rejected: Key -> the rule that rejected it.
        failed: Key -> why a stage could not do it.
        clashing: Key -> why it gets no sidecar.
        conflicts: `key: field` -> the two edits that differ.
        edited: Files that a person edited and that were therefore kept.
        removed: Files of ours that were removed, because what they belong to is gone.
        published: Files that were written.
        notes: What a person should know but need not act on.
        total: How many pictures there are.
        account: What becomes of their words, where a dataset file was asked for.
        unowned: Text files that no picture owns -> what a person can do about each.
        others: Path -> kind of the files that are no picture, text or file of ours.
        source: The folder where they lie, where it is not the one that the report is about.
    """

    made: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    clashing: dict[str, str] = field(default_factory=dict)
    conflicts: dict[str, str] = field(default_factory=dict)
    edited: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    total: int = 0
    account: Account = field(default_factory=Account)
    unowned: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    source: str = ""

    def exit_code(self) -> int:
        """Return 3 where pictures failed, clash or lack words, else 4 for conflicts, else 0."""
        if self.failed or self.clashing or self.account.look():
            return 3
        return 4 if self.conflicts else 0

    def lines(self, where: str) -> list[str]:
        """Return the report as a person reads it; the counts add up to the pictures there are."""
        done = [f"made {name} {count}" for name, count in self.made.items() if count]
        done += [f"removed {counted(len(self.removed), 'file')}"] if self.removed else []
        work = ", ".join(done).replace(", made ", ", ")
        out = [f"`{where}`: {work}" if work else f"`{where}` is up to date: nothing to do"]
        out += [f"  {note}" for note in dict.fromkeys(self.notes)]
        out += [f"  {other_files.line(self.others.values(), self.source)}"] if self.others else []
        out += [f"  kept as you edited it: {path}" for path in self.edited[:_SHOWN]]
        if len(self.edited) > _SHOWN:
            out.append(f"  ... and {len(self.edited) - _SHOWN} more of yours")
        out += [f"  left out: {key}: {why}" for key, why in sorted(self.rejected.items())]
        words = (*self.account.notes(), *_unowned(self.unowned))
        out += [f"  {line}" for line in (*self.wrong(), *words)]
        out += [f"  removed {path}" for path in self.removed[:_SHOWN]]
        out += [f"  wrote {path}" for path in self.published]
        return [*out, f"  {counted(self.total, 'picture')}: {self.counts()}"]

    def counts(self) -> str:
        """Return how many pictures are good, left out, failed and clash; each counts once."""
        bad = set(self.failed)
        dropped = set(self.rejected) - bad
        clash = set(self.clashing) - bad - dropped
        good = self.total - len(bad) - len(dropped) - len(clash)
        told = f"{good} good, {len(dropped)} left out, {len(bad)} failed"
        return f"{told}, {len(clash)} clash" if clash else told

    def wrong(self) -> list[str]:
        """Return what a person has to mend or decide, a line each; below it, how, if it says so."""
        kinds = {"failed": self.failed, "clash": self.clashing, "conflict": self.conflicts}
        each = [
            line
            for kind, found in kinds.items()
            for key, why in sorted(found.items())
            for line in _with_hint(f"{kind}: {key}: ", why)
        ]
        return [*each, *self.account.wrong()]

    def facts(self) -> Mapping[str, Any]:
        """Return the same for `--json`."""
        return {
            "made": self.made,
            "kept": self.kept,
            "rejected": self.rejected,
            "failed": self.failed,
            "clashing": self.clashing,
            "conflicts": self.conflicts,
            "edited": self.edited,
            "removed": self.removed,
            "published": self.published,
            "total": self.total,
            "account": self.account.facts(),
            "unowned": self.unowned,
            "others": Counter(self.others.values()),
        }


def _unowned(found: Mapping[str, str]) -> list[str]:
    """Return the line for text files that no picture owns; none where there are none."""
    if not found:
        return []
    named = [f"{name} ({what})" if what else name for name, what in sorted(found.items())]
    more = len(named) - _NAMED
    after = f", and {more} more, listed by `prep status`" if more > 0 else ""
    verb = "text file belongs" if len(named) == 1 else "text files belong"
    return [f"{len(named)} {verb} to no picture: {', '.join(named[:_NAMED])}{after}"]


def _with_hint(before: str, why: str) -> list[str]:
    """Return a reason's line, and below it its hint, where it has one: its second line."""
    told, _, hint = why.partition("\n")
    return [before + told, *([f"  hint: {hint}"] if hint else [])]
