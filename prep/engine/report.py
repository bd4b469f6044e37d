"""What a run did, as a value: counts, and the reason of every picture that was left out."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prep.dataset.account import Account
from prep.engine.inventory import other_files
from prep.engine.session import Job
from prep.runtime.counts import counted
from prep.stage import Shape, Stage

_SHOWN = 20
_NAMED = 5


@dataclass
class Report:
    """The end of a run.

    Attributes:
        made: Stage -> how many samples it was run for.
        unmade: Stage -> how many of them it rejected or failed of.
        nothing: Stage -> how many of them have no such value, and need none.
        counts: Command -> what its file says of the whole: `6 buckets`.
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
    unmade: Counter[str] = field(default_factory=Counter)
    nothing: Counter[str] = field(default_factory=Counter)
    counts: dict[str, str] = field(default_factory=dict)
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

    def lines(self, job: Job, *, stages: bool = False) -> list[str]:
        """Return the report as a person reads it; the counts add up to the pictures there are.

        Args:
            job: What was asked.
            stages: Also tell how many results each stage made.
        """
        where, work = os.path.relpath(job.location.root), "; ".join(self._work(job))
        out = [f"`{where}`: {work}" if work else f"`{where}` is up to date: nothing to do"]
        made = [f"{name} {count}" for name, count in self.made.items() if count]
        out += [f"  made {', '.join(made)}"] if made and stages else []
        out += [f"  {note}" for note in dict.fromkeys(self.notes)]
        out += [f"  {other_files.line(self.others.values(), self.source)}"] if self.others else []
        out += [f"  kept as you edited it: {path}" for path in self.edited[:_SHOWN]]
        if len(self.edited) > _SHOWN:
            out.append(f"  ... and {len(self.edited) - _SHOWN} more of yours")
        out += [f"  left out: {key}: {why}" for key, why in sorted(self.rejected.items())]
        words = (*self.account.notes(), *_unowned_lines(self.unowned))
        out += [f"  {line}" for line in (*self.wrong(), *words)]
        out += [f"  removed {path}" for path in self.removed[:_SHOWN]]
        out += [f"  wrote {path}" for path in self.published]
        return [*out, f"  {counted(self.total, 'picture')}: {self.summary()}"]

    def _work(self, job: Job) -> Iterator[str]:
        """Yield what each command did, and what became of files; nothing where all was there."""
        stages: dict[str, list[Stage]] = {}
        for asked in job.asked:
            stages.setdefault(asked.command, []).append(asked.stage)
        each = [
            (name, self._done(name, found, job.location.sidecars)) for name, found in stages.items()
        ]
        yield from (f"{command}: {done}" for command, done in each if done)
        if self.published and not any(done for _, done in each):
            yield f"wrote {counted(len(self.published), 'file')}"
        if self.removed:
            yield f"removed {counted(len(self.removed), 'file')}"

    def _done(self, command: str, stages: Sequence[Stage], sidecars: Mapping[str, str]) -> str:
        """Return what one command did, as `15 scored, 15 written`; empty for nothing."""
        made = {
            stage.name: self.made.get(stage.name, 0)
            - self.unmade[stage.name]
            - self.nothing[stage.name]
            for stage in stages
            if stage.shape is not Shape.VIEW
        }
        told = [(made.get(stage.name, 0), stage.done) for stage in stages]
        parts = [f"{count} {word}" for count, word in told if count and word]
        most, without = max(made.values(), default=0), sum(self.unmade[name] for name in made)
        parts += [self.counts[command]] if most and self.counts.get(command) else []
        fields = {stage.writes for stage in stages if stage.shape is Shape.SIDECAR}
        endings = tuple(suffix for suffix, field in sidecars.items() if field in fields)
        yours = sum(name.endswith(endings) for name in self.edited)
        parts += [f"{yours} kept as you edited {'it' if yours == 1 else 'them'}"] if yours else []
        parts += [f"{without} without a result"] if without else []
        return ", ".join(parts or [f"{most} as before"] * (most > 0))

    def summary(self) -> str:
        """Return how many pictures are good, left out, failed and clash; each counts once."""
        bad = set(self.failed)
        dropped = set(self.rejected) - bad
        clash = set(self.clashing) - bad - dropped
        good = self.total - len(bad) - len(dropped) - len(clash)
        told = f"{good} good, {len(dropped)} left out, {len(bad)} failed"
        return f"{told}, {len(clash)} clash" if clash else told

    def wrong(self) -> list[str]:
        """Return what a person has to mend or decide, a line each; below it how, if known."""
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


def _unowned_lines(found: Mapping[str, str]) -> list[str]:
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
