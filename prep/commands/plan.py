"""`prep plan`: what a run would do, and why; changes nothing."""

import os

from prep.engine.opening import read_only_session
from prep.engine.preview import Coming, coming_of, previewed
from prep.engine.session import Context, Order, asked_names
from prep.pipeline import jobs, training
from prep.pipeline.config import Pipeline


def plan_one(order: Order, context: Context) -> int:
    """Print what one order would do."""
    _print_plan(order, context, Coming())
    return 0


def plan_pipeline(pipeline: Pipeline, context: Context) -> int:
    """Print what a whole pipeline would do.

    Raises:
        ConfigError: The `train:` section has mistakes; `prep run` would end with them.
    """
    if pipeline.train is not None:
        training.check(pipeline, at_hand=True)
    coming, waits = Coming(), ""
    for order in jobs.of_pipeline(pipeline):
        if coming.made and not has_entries(order):
            for name in asked_names(order):
                context.console.say(f"{name:<12}  waits for {waits}", stage=name, busy=True)
            continue
        coming, busy = _print_plan(order, context, coming)
        waits = order.asked[-1].command if busy else waits
    if pipeline.train is not None:
        after = f"waits for {waits}" if waits else "runs next; says at once if it is done"
        typed = training.typed(pipeline)
        context.console.say(f"{'train':<12}  {pipeline.train['method']}: {after}", f"  {typed}")
    return 0


def _print_plan(order: Order, context: Context, coming: Coming) -> tuple[Coming, bool]:
    """Print the plan of one order; return what it changes for the next, and whether it is busy."""
    context.console.say(f"{os.path.relpath(order.place.root)}:")
    with read_only_session(order, context) as leg:
        rows = previewed(leg, coming)
        for row in rows:
            context.console.say(f"  {row.line()}", **row.facts())
        for note in leg.notes:
            context.console.say(f"  {note}")
        after = coming_of(leg, rows) if order.source else Coming()
        return after, any(row.busy() for row in rows)


def has_entries(order: Order) -> bool:
    """Return whether the folder that an order reads has anything in it."""
    root = (order.source or order.place).root
    return root.is_dir() and any(not entry.name.startswith(".") for entry in root.iterdir())
