"""What failed for a sample is forgotten, so that the next run tries it again."""

from prep.engine.session import Leg
from prep.stage import Shape, Stage


def failed(leg: Leg, key: str) -> list[str]:
    """Return the stages that failed for a sample, and those whose results they were given.

    An answer that no caption could be made of is asked for again with its caption.
    """
    stages = leg.context.stages.values()
    left = [stage for stage in stages if _state(leg, stage, key) == "failed"]
    names: dict[str, None] = {}
    while left:
        stage = left.pop()
        names[stage.name] = None
        given = (leg.values.producers.get(name) for name, optional in stage.needs() if not optional)
        left += [one for one in given if one is not None and _state(leg, one, key)]
    return sorted(names)


def _state(leg: Leg, stage: Stage, key: str) -> str:
    """Return made, rejected or failed; empty where a stage did nothing for this sample alone."""
    made = leg.values.made(stage.name).get(key) if stage.shape is Shape.MAP else None
    return made.state if made else ""
