"""What is asked otherwise than in the last run: a run tells every param that differs."""

from dataclasses import fields
from typing import Any

from prep.engine.plan import PlannedStage
from prep.engine.session import Session
from prep.engine.state.recipe import changed_params, param_value


def told_changes(session: Session, step: PlannedStage) -> list[str]:
    """Return `command: param: old -> new` for all that differs from the last run; remember it.

    Params that decide only the speed are told as well: two machines' results may differ by them.
    """
    fact = f"asked {step.stage.name}"
    now: dict[str, Any] = {
        "params": {item.name: param_value(item, step.params) for item in fields(step.params)},
        "models": list(session.recipes[step.base].get("models", ())),
    }
    before = session.ledger.fact(fact)
    if before == now:
        return []
    with session.ledger.batch():
        session.ledger.set_fact(fact, now)
    changes = changed_params(before, now) if before is not None else []
    return [f"{step.command}: {change}" for change in changes]
