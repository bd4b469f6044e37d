"""What a run would do, as values: `prep plan` prints them, `prep why` reads one sample's share.

Nothing is computed or written. What depends on a result that is yet to be made waits for it: only
there does the run know more than the plan.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prep.dataset.chain import link_before
from prep.engine import fanout, idle_mark, map_results, published_files, sidecars
from prep.engine.plan import PlannedStage
from prep.engine.session import Session
from prep.engine.state.recipe import WAITS, Why
from prep.runtime.errors import UserError
from prep.stage import Shape


@dataclass(frozen=True)
class Coming:
    """What earlier orders would change in the folder that a job reads.

    Attributes:
        made: Pictures that will be made or made anew; one whose name is not known yet is stood
            for by its source's key.
        gone: Pictures that will be removed.
        command: The subcommand that does it.
    """

    made: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    command: str = ""


@dataclass(frozen=True)
class StagePreview:
    """What one step would do.

    Attributes:
        run: Key -> why it is computed or written; of a view, the path of its file.
        reused: Key -> why; the same recipe was carried out before, so nothing is computed.
        waits: Keys whose input an earlier step has yet to make; of a view, the path of its file.
        kept: How many are up to date.
        persons: How many need nothing because a person wrote the value.
        lacking: Keys without an input they need -> the artifact that is missing.
        removed: Pictures that no source yields any more.
    """

    step: PlannedStage
    run: Mapping[str, Why] = field(default_factory=dict)
    reused: Mapping[str, Why] = field(default_factory=dict)
    waits: frozenset[str] = frozenset()
    kept: int = 0
    persons: int = 0
    lacking: Mapping[str, str] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()

    def busy(self) -> bool:
        """Return whether the step is not known to be up to date."""
        return bool(self.run or self.reused or self.waits or self.removed)

    def line(self) -> str:
        """Return what `prep plan` says of the step."""
        view = self.step.stage.shape is Shape.VIEW
        parts = [f"{self.step.stage.name:<12}"]
        if view:
            parts += [f"write {name}: {why}" for name, why in self.run.items()]
            parts += [f"waits: {name}" for name in sorted(self.waits)]
        else:
            word = "write" if self.step.stage.shape is Shape.SIDECAR else "run"
            parts += _counted(word, self.run) + _counted("reuse", self.reused)
            parts += [f"waits {len(self.waits)}"] if self.waits else []
            parts += [f"remove {len(self.removed)}"] if self.removed else []
        if self.kept or not self.busy():
            parts.append("skip" if view else f"skip {self.kept}")
        if self.persons:
            parts.append(f"a person's {self.persons}")
        return "  ".join(parts)

    def facts(self) -> dict[str, object]:
        """Return the same for `--json`."""
        return {
            "stage": self.step.stage.name,
            "run": len(self.run),
            "reuse": len(self.reused),
            "waits": len(self.waits),
            "remove": len(self.removed),
            "skip": self.kept,
            "busy": self.busy(),
        }


def idle(session: Session) -> list[StagePreview] | None:
    """Return what each step would do where it is known that none has anything to do; else None."""
    kept = idle_mark.counts(session)
    if kept is None:
        return None
    steps = [session.step(asked) for asked in session.job.asked]
    return [
        StagePreview(step, kept=kept[step.stage.name][0], persons=kept[step.stage.name][1])
        for step in steps
    ]


def previewed(session: Session, coming: Coming) -> list[StagePreview]:
    """Return what each step of a session's job would do; no run may use the session then."""
    for key in coming.gone:
        session.inventory.digests.pop(key, None)
    session.inventory.digests |= dict.fromkeys(coming.made, WAITS)
    rows: list[StagePreview] = []
    for asked in session.job.asked:
        rows.append(_row(session, session.step(asked), rows))
    return rows


def coming_of(session: Session, rows: Iterable[StagePreview]) -> Coming:
    """Return what the rows of a fan-out would change in the folder that it writes."""
    made: set[str] = set()
    gone: set[str] = set()
    command = ""
    for row in rows:
        stage = row.step.stage.name
        command = row.step.command
        for key in (*row.run, *row.waits):
            made |= set(fanout.children(session, stage, key)) or {key}
        gone |= row.removed
    return Coming(frozenset(made), frozenset(gone), command if made or gone else "")


def _counted(word: str, whys: Mapping[str, Why]) -> list[str]:
    if not whys:
        return []
    counts = sorted(Counter(whys.values()).items())
    return [f"{word} {len(whys)}: " + ", ".join(f"{why} ({count})" for why, count in counts)]


def _row(session: Session, step: PlannedStage, before: Iterable[StagePreview]) -> StagePreview:
    if step.stage.shape is Shape.SIDECAR:
        return _sidecars(session, step)
    if step.stage.shape is Shape.VIEW:
        return _view(session, step, before)
    plan = session.plan(step)
    session.values.pending[step.stage.name] = frozenset((*plan.run, *plan.waits))
    gone = fanout.unwanted(session, step.stage.name) if session.job.source else ()
    again = map_results.made_before(session, plan) if step.stage.shape is Shape.MAP else {}
    return StagePreview(
        step,
        {key: why for key, (_, why) in plan.run.items() if key not in again},
        {key: why for key, (_, why) in plan.run.items() if key in again},
        frozenset(plan.waits),
        plan.kept,
        plan.persons,
        plan.lacking,
        frozenset(key for key, edited in gone if not edited),
    )


def _sidecars(session: Session, step: PlannedStage) -> StagePreview:
    of = session.values.digest(step.stage.writes)
    waits = frozenset(key for key in session.inventory.digests if of(key) == WAITS)
    made = session.values.made(step.stage.name)
    stale = {
        key: Why.INPUTS if key in made else Why.NEW
        for key, _ in sidecars.stale_sidecars(session, step)
        if key not in waits
    }
    return StagePreview(
        step, stale, waits=waits, kept=len(session.inventory.digests) - len(stale) - len(waits)
    )


def _view(session: Session, step: PlannedStage, before: Iterable[StagePreview]) -> StagePreview:
    file = os.path.relpath(published_files.view_file(session, step.stage))
    link = link_before(step.stage.writes)
    if any(row.busy() and row.step.stage.writes == link for row in before):
        return StagePreview(step, waits=frozenset([file]))
    try:
        _, why, waits = published_files.plan_view(session, step)
    except UserError:  # the file before it is not there yet
        return StagePreview(step, waits=frozenset([file]))
    if waits:
        return StagePreview(step, waits=frozenset([file]))
    return StagePreview(step, {file: why} if why else {}, kept=0 if why else 1)
