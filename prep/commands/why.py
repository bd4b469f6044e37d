"""`prep why`: all that is known of one picture, or what another file is."""

from collections.abc import Iterator, Sequence

from prep.commands.plan import has_entries
from prep.engine import explain_files, explain_sample
from prep.engine.inventory.location import Location
from prep.engine.opening import read_only_session
from prep.engine.preview import (
    StagePreview,
    Upcoming,
    expecting,
    previews,
    upcoming_of,
    waiting_of,
)
from prep.engine.session import Context, Job, Session
from prep.pipeline import jobs
from prep.pipeline.pipeline import Pipeline
from prep.runtime.errors import ConfigError, nearest


def tell_why(key: str, location: Location, context: Context, pipeline: Pipeline | None) -> int:
    """Print all that is known of one picture, in every folder of the pipeline that has it.

    Of any other file there, it is what the file is and what is done with it.
    """
    parts = pipeline.parts() if pipeline else ()
    asked = [job for one in parts for job in jobs.of_pipeline(one)]
    if location not in [job.location for job in asked]:
        asked = [Job(location, ())]
    lines: list[str] = []
    files: dict[str, None] = {}
    known: set[str] = set()
    upcoming = Upcoming()
    for job in asked:
        if upcoming.made and not has_entries(job):
            break
        with read_only_session(job, context) as session:
            keys = explain_sample.known_keys(session)
            known |= keys
            later = expecting(session, upcoming)
            rows = previews(later, upcoming)
            if key in keys:
                lines += _of_picture(session, later, rows, key, upcoming)
            else:
                files |= dict.fromkeys(explain_files.of_file(session, key))
            upcoming = upcoming_of(session, rows) if job.source else waiting_of(rows)
    if key not in known and not files:
        raise ConfigError(f"`{location.root}` has no picture `{key}`", nearest(key, known))
    context.console.say(key, *(f"  {line}" for line in (lines if key in known else files)))
    return 0


def _of_picture(
    session: Session, later: Session, rows: Sequence[StagePreview], key: str, upcoming: Upcoming
) -> Iterator[str]:
    inner = session.context.console.details()
    yield from explain_sample.of_person(session, key)
    yield from explain_sample.of_decoding(session, key)
    if not rows:
        yield from explain_sample.of_results(session, key, inner=inner)
    elif key not in session.dropped():
        yield from explain_sample.of_rows(later, rows, key, upcoming, inner=inner)
    yield from explain_sample.of_training(session, key)
