"""Opening a dataset: to change it, under its lock, or only to look at it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from prep.engine import fanout, idle_mark
from prep.engine.session import Context, Job, Session, open_session
from prep.engine.state.database import looked_at, opened
from prep.engine.state.dataset_lock import held
from prep.engine.state.ledger import Ledger


@contextmanager
def locked_session(job: Job, context: Context) -> Iterator[Session]:
    """Yield a job with the dataset as it is now, which no other run changes until the end.

    What was read of files is known to the ledger after a clean end.

    Raises:
        HeldError: Another run holds the dataset.
        DatasetError: Its ledger is of a newer version, or its folder cannot be read.
    """
    with held(job.location.state), opened(job.location.state) as ledger:
        session = _open(job, context, ledger)
        with _closed_at_end(session):
            yield session
        with ledger.batch():
            session.digests.record()


@contextmanager
def read_only_session(job: Job, context: Context) -> Iterator[Session]:
    """Yield the same from a snapshot of the ledger: nothing is locked, downloaded or changed."""
    with looked_at(job.location.state) as ledger:
        session = _open(job, replace(context, looking=True), ledger)
        with _closed_at_end(session):
            yield session


@contextmanager
def _closed_at_end(session: Session) -> Iterator[None]:
    """Let go of what a fan-out reads of its source folder, at the end."""
    try:
        yield
    finally:
        if session.values.source is not None:
            session.values.source.close()


def _open(job: Job, context: Context, ledger: Ledger) -> Session:
    if job.source is not None:
        return fanout.open_source(job, context, ledger)
    session, baseline = open_session(job, context, ledger)
    session.unchanged = idle_mark.as_known(session, baseline)
    if not (session.unchanged or context.looking):
        session.baseline = baseline
    return session
