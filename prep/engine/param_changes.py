"""What is asked otherwise than in the last run: a run says it of every param that differs."""

from dataclasses import fields
from typing import Any

from prep.engine.plan import PlannedStage
from prep.engine.session import Session
from prep.engine.state.recipe import changed_params, is_as_before, param_value


def note_changes(session: Session, step: PlannedStage) -> list[str]:
    """Return `tag: threshold was 0.35, is now 0.4` for each param that changed; remember them.

    Params that decide only the speed are named as well: two machines' results may differ by them.
    """
    fact = f"asked {step.stage.name}"
    now: dict[str, Any] = {
        "params": {
            item.name: param_value(item, step.params)
            for item in fields(step.params)
            if not is_as_before(item, step.params)
        },
        "models": list(session.recipes[step.base].get("models", ())),
    }
    before = session.ledger.fact(fact)
    if before == now:
        return []
    with session.ledger.batch():
        session.ledger.set_fact(fact, now)
    changes = changed_params(before, now) if before is not None else []
    return [f"{step.command}: {change}" for change in changes]
