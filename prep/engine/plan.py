"""What would be done, as a value: `prep plan` prints it and `prep run` carries it out. Pure."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prep.engine.state.recipe import ABSENT, WAITS, Made, Why, why_stale
from prep.engine.values import Values
from prep.stage import ALPHA, MASK_FILE, WITH_PIXELS, Stage


@dataclass(frozen=True)
class PlannedStage:
    """A stage with its params, ready to be planned.

    Attributes:
        stage: What runs.
        params: The stage's own Params; a param that names a file holds its text.
        base: Number of its recipe's common part.
        found: The models it depends on.
        command: The subcommand that it is a part of.
    """

    stage: Stage
    params: Any
    base: int
    found: tuple[Any, ...]
    command: str


@dataclass(frozen=True)
class StagePlan:
    """What one step does.

    Attributes:
        run: Key -> (inputs, why it is run).
        waits: Keys whose input an earlier step has yet to make.
        kept: How many are up to date.
        persons: How many need nothing because a person wrote the value.
        lacking: Keys without an input they need -> the artifact that is missing.
    """

    step: PlannedStage
    run: Mapping[str, tuple[str, Why]] = field(default_factory=dict)
    waits: tuple[str, ...] = ()
    kept: int = 0
    persons: int = 0
    lacking: Mapping[str, str] = field(default_factory=dict)


def plan_map(
    step: PlannedStage,
    values: Values,
    keys: Iterable[str],
    recipes: Mapping[int, Mapping[str, Any]],
    present: Callable[[Made], bool] = lambda made: True,
) -> StagePlan:
    """Return what a map or sidecar stage has to do for some samples.

    Args:
        step: The stage and its params.
        values: Digests of what it reads.
        keys: The samples, in the order in which they will run.
        recipes: Parsed common parts of recipes by number, the step's own included.
        present: Whether the file of a result is as we wrote it.
    """
    stage = step.stage
    needs = [need for need in stage.needs() if need[0] not in WITH_PIXELS]
    columns = [values.digests(name) for name, _ in needs]
    made = values.made(stage.name)
    persons = values.decided(stage.superseded_by) if stage.superseded_by else {}
    run: dict[str, tuple[str, Why]] = {}
    waits: list[str] = []
    lacking: dict[str, str] = {}
    kept = skipped = 0
    for key in keys:
        if key in persons:
            skipped += 1
            continue
        digests = [column.get(key, ABSENT) for column in columns]
        inputs = " ".join(digests)
        missing = _missing(needs, digests)
        if missing in (MASK_FILE, ALPHA):  # most pictures have none, and nothing lacks
            continue
        if WAITS in digests:
            waits.append(key)
            continue
        if missing is not None:
            lacking[key] = missing
            continue
        row = made.get(key)
        why = why_stale(step.base, inputs, row, row is None or present(row), recipes)
        if why is None:
            kept += 1
        else:
            run[key] = (inputs, why)
    return StagePlan(step, run, tuple(waits), kept, skipped, lacking)


def _missing(needs: Iterable[tuple[str, bool]], digests: Sequence[str]) -> str | None:
    """Return the first artifact that a sample lacks and the stage cannot do without."""
    if ABSENT not in digests:
        return None
    each = zip(needs, digests, strict=True)
    return next((name for (name, optional), d in each if d == ABSENT and not optional), None)


def plan_set(
    step: PlannedStage,
    values: Values,
    keys: Iterable[str],
    recipes: Mapping[int, Mapping[str, Any]],
) -> StagePlan:
    """Return what a decision has to do: nothing, or all samples that have what it reads."""
    needs = step.stage.needs()
    columns = [values.digests(name) for name, _ in needs]
    made = values.made(step.stage.name)
    state = hashlib.sha256()
    members: dict[str, str] = {}
    waits: list[str] = []
    for key in sorted(keys):
        digests = [column.get(key, ABSENT) for column in columns]
        if WAITS in digests:
            waits.append(key)
        elif _missing(needs, digests) is None:
            members[key] = " ".join(digests)
            state.update(f"{key}\0{members[key]}\n".encode())
    if waits:
        return StagePlan(step, {}, (*waits, *members))
    table = state.hexdigest()
    if all(_stands(made.get(key), step.base, f"{table} {own}") for key, own in members.items()):
        return StagePlan(step, kept=len(members))
    run: dict[str, tuple[str, Why]] = {}
    for key, own in members.items():
        inputs, row = f"{table} {own}", made.get(key)
        why = why_stale(step.base, inputs, row, True, recipes)
        same = row is not None and row.inputs.partition(" ")[2] == own
        run[key] = inputs, Why.SET if why is None or (why is Why.INPUTS and same) else why
    return StagePlan(step, run)


def _stands(row: Made | None, base: int, inputs: str) -> bool:
    return row is not None and row.base == base and row.inputs == inputs


def set_inputs(
    step: PlannedStage, values: Values, keys: Iterable[str], extra: str
) -> tuple[str, bool]:
    """Return the digest of all a view reads, and whether any of it waits."""
    found = {name: values.digests(name) for name, _ in step.stage.needs()}
    columns = {name: digests for name, digests in found.items() if digests}
    state = hashlib.sha256(f"{extra}\0{' '.join(columns)}\n".encode())
    waits = False
    for key in sorted(keys):
        digests = [column.get(key, ABSENT) for column in columns.values()]
        waits = waits or WAITS in digests
        state.update(f"{key}\0{' '.join(digests)}\n".encode())
    return state.hexdigest(), waits
