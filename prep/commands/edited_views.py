"""The views that show what a person wrote: published anew when words came from elsewhere."""

from collections import Counter

from prep.engine import view_rows
from prep.engine.session import Session
from prep.pipeline.subcommands import build_params
from prep.stage import RequestedStage, Shape, Stage


def edited_views(session: Session) -> tuple[RequestedStage, ...]:
    """Return the stages that show what a sheet can change, with the params they last had.

    Of the sheets, those that were exported before, and the one that always is.
    """
    session.know_recipes()
    asked = []
    for stage in session.context.stages.values():
        made = session.values.made(stage.name)
        if stage.shape is Shape.SIDECAR or stage.main or _is_exported(session, stage):
            bases = Counter(one.base for one in made.values())
            last = max(bases, key=lambda base: bases[base], default=0)
            params = build_params(stage, session.recipes.get(last, {}).get("params", {}))
            asked.append(RequestedStage(stage, params, "review import"))
    return tuple(asked)


def _is_exported(session: Session, stage: Stage) -> bool:
    """Return whether a sheet was written before; its result may be forgotten after a kill."""
    if stage not in session.inventory.declared.sheets:
        return False
    name = session.inventory.location.name(view_rows.view_file(session, stage))
    return name in session.written.outputs
