"""What a run would do, as values: `prep plan` prints them, `prep why` reads one sample's share.

Nothing is computed or written. What depends on a result that is yet to be made waits for it: only
there does the run know more than the plan.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from prep.dataset.file_names import link_before
from prep.engine import fanout, idle_mark, map_results, published_files, sidecars, view_rows
from prep.engine.plan import PlannedStage
from prep.engine.session import Session
from prep.engine.state.recipe import WAITS, Why, changed_params
from prep.runtime.errors import UserError
from prep.stage import Shape


@dataclass(frozen=True)
class Upcoming:
    """What earlier jobs would change in the folder that a job reads.

    Attributes:
        made: Pictures that will be made or made anew; one whose name is not known yet is stood
            for by its source's key.
        gone: Pictures that will be removed.
        command: The subcommand that does it.
        waiting: Stage -> keys of pictures whose result it has yet to make.
    """

    made: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    command: str = ""
    waiting: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class StagePreview:
    """What one stage would do.

    Attributes:
        run: Key -> why it is computed or written; of a view, the path of its file.
        reused: Key -> why; the same recipe was carried out before, so nothing is computed.
        waits: Keys whose input an earlier stage has yet to make; of a view, the path of its file.
        after: Another command that makes such an input; empty for none.
        kept: How many are up to date.
        persons: How many need nothing because a person wrote the value.
        lacking: Keys without an input they need -> the artifact that is missing.
        removed: Pictures that no source yields any more.
    """

    step: PlannedStage
    run: Mapping[str, str] = field(default_factory=dict)
    reused: Mapping[str, str] = field(default_factory=dict)
    waits: frozenset[str] = frozenset()
    after: str = ""
    kept: int = 0
    persons: int = 0
    lacking: Mapping[str, str] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()

    def busy(self) -> bool:
        """Return whether the stage is not known to be up to date."""
        return bool(self.run or self.reused or self.waits or self.removed)

    def facts(self) -> dict[str, object]:
        """Return what it would do, for `--json`."""
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
    """Return what each stage would do where it is known that none has anything to do; else None."""
    kept = idle_mark.counts(session)
    if kept is None:
        return None
    steps = [session.step(asked) for asked in session.job.asked]
    return [
        StagePreview(step, kept=kept[step.stage.name][0], persons=kept[step.stage.name][1])
        for step in steps
    ]


def expecting(session: Session, upcoming: Upcoming) -> Session:
    """Return a session with the pictures that there will be; no run may use it."""
    if session.values.source is not None:
        session.values.source.expect(upcoming.waiting)
    if not (upcoming.made or upcoming.gone):
        return session
    digests = session.inventory.digests.items()
    there = {key: digest for key, digest in digests if key not in upcoming.gone}
    inventory = replace(session.inventory, digests=there | dict.fromkeys(upcoming.made, WAITS))
    values = replace(session.values, inventory=inventory)
    return replace(session, inventory=inventory, values=values)


def previews(session: Session, upcoming: Upcoming) -> list[StagePreview]:
    """Return what each stage would do, in a session that expects what is upcoming."""
    rows: list[StagePreview] = []
    for asked in session.job.asked:
        step = session.step(asked)
        row = _row(session, step, rows)
        rows.append(replace(row, after=_after(step, rows) or upcoming.command))
    return rows


def upcoming_of(session: Session, rows: Iterable[StagePreview]) -> Upcoming:
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
    return Upcoming(frozenset(made), frozenset(gone), command if made or gone else "")


def waiting_of(rows: Iterable[StagePreview]) -> Upcoming:
    """Return what the rows of another job have yet to make, for a fan-out of the same folder."""
    busy = [row for row in rows if row.busy() and row.step.stage.shape is Shape.MAP]
    waiting = {row.step.stage.name: frozenset((*row.run, *row.reused, *row.waits)) for row in busy}
    return Upcoming(command=busy[-1].step.command if busy else "", waiting=waiting)


def _after(step: PlannedStage, before: Sequence[StagePreview]) -> str:
    """Return the last other command that has yet to make what a step reads; empty for none."""
    needs, link = dict(step.stage.needs()), link_before(step.stage.link)
    for row in reversed(before):
        stage = row.step.stage
        makes = stage.writes in needs or (link is not None and stage.link == link)
        if makes and row.busy() and row.step.command != step.command:
            return row.step.command
    return ""


def _row(session: Session, step: PlannedStage, before: Sequence[StagePreview]) -> StagePreview:
    if step.stage.shape is Shape.SIDECAR:
        return _sidecars(session, step)
    if step.stage.shape is Shape.VIEW:
        return _view(session, step, before)
    plan = session.plan(step)
    session.values.pending[step.stage.name] = frozenset((*plan.run, *plan.waits))
    gone = fanout.unwanted(session, step.stage.name) if session.job.source else ()
    again = map_results.made_before(session, plan) if step.stage.shape is Shape.MAP else {}
    reason = _reasons(session, step)
    return StagePreview(
        step,
        {key: reason(key, why) for key, (_, why) in plan.run.items() if key not in again},
        {key: reason(key, why) for key, (_, why) in plan.run.items() if key in again},
        frozenset(plan.waits),
        kept=plan.kept,
        persons=plan.persons,
        lacking=plan.lacking,
        removed=frozenset(key for key, edited in gone if not edited),
    )


def _reasons(session: Session, step: PlannedStage) -> Callable[[str, Why], str]:
    """Return what says why a step is run for a sample: of params, which changed, and how."""
    made = session.values.made(step.stage.name)
    changes: dict[int, str] = {}

    def reason(key: str, why: Why) -> str:
        if why is not Why.PARAMS:
            return str(why)
        base = made[key].base
        if base not in changes:
            old, new = session.recipes.get(base, {}), session.recipes[step.base]
            changes[base] = ", ".join(changed_params(old, new)) or str(why)
        return changes[base]

    return reason


def _sidecars(session: Session, step: PlannedStage) -> StagePreview:
    of = session.values.digest(step.stage.writes)
    waits = frozenset(key for key in session.inventory.digests if of(key) == WAITS)
    made = session.values.made(step.stage.name)
    stale = {
        key: str(Why.INPUTS if key in made else Why.NEW)
        for key, _ in sidecars.stale_sidecars(session, step)
        if key not in waits
    }
    return StagePreview(
        step, stale, waits=waits, kept=len(session.inventory.digests) - len(stale) - len(waits)
    )


def _view(session: Session, step: PlannedStage, before: Iterable[StagePreview]) -> StagePreview:
    path = view_rows.view_file(session, step.stage)
    file = os.path.relpath(path)
    link = link_before(step.stage.link)
    if link is not None and any(row.busy() and row.step.stage.link == link for row in before):
        return StagePreview(step, waits=frozenset([file]))
    try:
        _, why, waits = published_files.plan_view(session, step)
    except UserError:  # the file before it is not there yet
        return StagePreview(step, waits=frozenset([file]))
    if waits:
        return StagePreview(step, waits=frozenset([file]))
    if why is None:
        return StagePreview(step, kept=1)
    name = session.inventory.location.name(path)
    return StagePreview(step, {file: _reasons(session, step)(name, why)})
