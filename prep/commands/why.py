"""`prep why`: all that is known of one picture, or what another file is."""

from pathlib import Path
from typing import Any

from prep.commands.plan import has_entries
from prep.engine import explain, explain_files
from prep.engine.opening import read_only_session
from prep.engine.preview import Coming, coming_of, previewed
from prep.engine.session import Context, Order
from prep.pipeline import jobs
from prep.pipeline.config import Pipeline
from prep.runtime.errors import ConfigError, nearest


def tell_why(
    folder: Path, key: str, place: Any, context: Context, pipeline: Pipeline | None = None
) -> int:
    """Print all that is known of one picture, in every folder of the pipeline that has it.

    Of any other file there, it is what the file is and what is done with it.
    """
    asked = jobs.of_pipeline(pipeline) if pipeline else []
    if place not in [order.place for order in asked]:
        asked = [Order(place, ())]
    lines: list[str] = []
    files: dict[str, None] = {}
    known: set[str] = set()
    coming = Coming()
    for order in asked:
        if coming.made and not has_entries(order):
            break
        with read_only_session(order, context) as leg:
            known |= explain.knows(leg)
            rows = previewed(leg, coming)
            if key in explain.knows(leg):
                told = explain.of_rows(leg, rows, key, coming) if rows else ()
                lines += [*explain.said(leg, key), *explain.noticed(leg, key)]
                lines += [*(told or explain.of_results(leg, key)), *explain.words(leg, key)]
            else:
                files |= dict.fromkeys(explain_files.of_file(leg, key))
            coming = coming_of(leg, rows) if order.source else Coming()
    if key not in known and not files:
        raise ConfigError(f"`{folder}` has no picture `{key}`", nearest(key, known))
    context.console.say(key, *(f"  {line}" for line in (lines if key in known else files)))
    return 0
