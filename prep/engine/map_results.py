"""What a map makes, as it becomes durable: rows, large files, and what need not be computed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from prep.engine.committer import CommitBatch, Row
from prep.engine.plan import PlannedStage, StagePlan
from prep.engine.session import Session, large_file
from prep.engine.stage_call import Outcome
from prep.engine.state import artifacts, publish
from prep.engine.state.recipe import Made
from prep.runtime.files import digest_bytes
from prep.stage import Shape, Stage


def withdraw(session: Session, plan: StagePlan, keys: Collection[str]) -> None:
    """Let earlier answers of a model speak no more for samples that it is asked about anew.

    What comes after them goes too, so that a run that ends early leaves no words of yesterday. The
    recipes still give what they gave.
    """
    stage, command = plan.step.stage, plan.step.command
    rows = session.values.made(stage.name)
    old = [key for key in sorted(keys) if key in rows and rows[key].state == "made"]
    if stage.batch is None or stage.suffix is not None or not old:
        return
    why = f"what `prep {command}` is asked now was not answered yet: run it again"
    unanswered = Made(plan.step.base, "", "", "failed", why)
    with session.ledger.batch():
        session.ledger.record(stage.name, ((key, unanswered, None) for key in old), again=False)
        for later in _after(session, stage):
            session.ledger.forget(later.name, old, past=False)
            session.values.forget(later.name)
    session.values.forget(stage.name)


def _after(session: Session, stage: Stage) -> list[Stage]:
    """Return the maps of the same command that cannot do without what a stage makes."""
    found = [stage]
    for one in found:
        found += [
            later
            for later in session.values.producers.values()
            if later.shape is Shape.MAP
            and later.commands == stage.commands
            and (one.writes, False) in later.needs()
            and later not in found
        ]
    return found[1:]


def divided(
    session: Session, plan: StagePlan
) -> tuple[list[tuple[str, Made, None]], list[str], dict[str, list[str]]]:
    """Divide samples into those made before, the first of each kind, and its twins.

    What a fan-out makes of a picture bears its name: it is no other one's.
    """
    if plan.step.stage.shape is Shape.FAN_OUT:
        return [], sorted(plan.run), {}
    before = made_before(session, plan)
    adopted = [(key, made, None) for key, made in before.items()]
    first: dict[str, str] = {}
    followers: dict[str, list[str]] = {}
    for key in sorted(plan.run.keys() - before.keys()):
        inputs = plan.run[key][0]
        if inputs in first:
            followers.setdefault(first[inputs], []).append(key)
        else:
            first[inputs] = key
    return adopted, list(first.values()), followers


def made_before(session: Session, plan: StagePlan) -> dict[str, Made]:
    """Return key -> result for what the same recipe made before, perhaps of another sample."""
    stage = plan.step.stage
    found: dict[str, Made] = {}
    if not session.ledger.has_past(stage.name):
        return found
    present = session.present(stage)
    for key in sorted(plan.run):
        past = session.ledger.past(stage.name, plan.run[key][0], plan.step.base)
        if past is not None and (past.state != "made" or present(past)):
            found[key] = past
    return found


def batch(
    session: Session,
    step: PlannedStage,
    followers: Mapping[str, Sequence[str]],
    done: Iterable[Outcome],
) -> CommitBatch:
    """Return what the outcomes of a map are made durable as, those of their twins with them."""
    rows: list[Row] = []
    passing: list[Row] = []
    outputs: dict[str, publish.Output] = {}
    for outcome in done:
        made, body, output = _result(session, step, outcome)
        keys = (outcome.key, *followers.get(outcome.key, ()))
        (passing if outcome.passing else rows).extend((key, made, body) for key in keys)
        if output is not None:
            outputs[output.name] = output
    return CommitBatch(list(outputs.values()), step.stage.name, rows, passing)


def _result(
    session: Session, step: PlannedStage, outcome: Outcome
) -> tuple[Made, bytes | None, publish.Output | None]:
    """Return a result, its bytes where the ledger keeps them, and its file where one is written."""
    stage, base = step.stage, step.base
    if outcome.state != "made":
        inputs = "" if outcome.passing else outcome.inputs
        return Made(base, inputs, "", outcome.state, outcome.why), None, None
    data: Any = outcome.value
    body: bytes = data if stage.packed or stage.suffix else artifacts.dumped(data)
    made = Made(base, outcome.inputs, digest_bytes(body))
    if stage.suffix is None:
        return made, body, None
    name = large_file(stage, made.digest)
    path = session.job.location.state / name
    there = session.digests.of(str(path.absolute())) == made.digest
    return made, None, None if there else publish.Output(path, f"state:{name}", body)
