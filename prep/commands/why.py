"""`prep why`: all that is known of one picture, or what another file is."""

from pathlib import Path
from typing import Any

from prep.commands.plan import has_entries
from prep.engine import explain_files, explain_sample
from prep.engine.opening import read_only_session
from prep.engine.preview import Coming, coming_of, previewed
from prep.engine.session import Context, Job
from prep.pipeline import jobs
from prep.pipeline.config import Pipeline
from prep.runtime.errors import ConfigError, nearest


def tell_why(
    folder: Path, key: str, location: Any, context: Context, pipeline: Pipeline | None = None
) -> int:
    """Print all that is known of one picture, in every folder of the pipeline that has it.

    Of any other file there, it is what the file is and what is done with it.
    """
    asked = jobs.of_pipeline(pipeline) if pipeline else []
    if location not in [job.location for job in asked]:
        asked = [Job(location, ())]
    lines: list[str] = []
    files: dict[str, None] = {}
    known: set[str] = set()
    coming = Coming()
    for job in asked:
        if coming.made and not has_entries(job):
            break
        with read_only_session(job, context) as session:
            known |= explain_sample.knows(session)
            rows = previewed(session, coming)
            if key in explain_sample.knows(session):
                told = explain_sample.of_rows(session, rows, key, coming) if rows else ()
                lines += [*explain_sample.said(session, key), *explain_sample.noticed(session, key)]
                lines += [
                    *(told or explain_sample.of_results(session, key)),
                    *explain_sample.words(session, key),
                ]
            else:
                files |= dict.fromkeys(explain_files.of_file(session, key))
            coming = coming_of(session, rows) if job.source else Coming()
    if key not in known and not files:
        raise ConfigError(f"`{folder}` has no picture `{key}`", nearest(key, known))
    context.console.say(key, *(f"  {line}" for line in (lines if key in known else files)))
    return 0
