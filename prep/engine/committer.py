"""What was computed, on its way to the disk: files and rows that become durable together.

Every file of a dataset that prep writes or removes passes through `commit`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prep.engine.session import Session
from prep.engine.stage_call import Outcome
from prep.engine.state import publish
from prep.engine.state.recipe import Made
from prep.stage import Stage

Row = tuple[str, Made, bytes | None]  # key, result, and its bytes where the ledger keeps them

_COMMIT_SAMPLES = 256
_COMMIT_S = 2.0


@dataclass(frozen=True)
class CommitBatch:
    """Files, and what the ledger is told once they are in place.

    Attributes:
        files: What is written.
        stage: The name of the stage whose results `rows` and `own` are.
        rows: Results that the same recipe gives any sample.
        own: Results of these samples alone, and failures that are tried again.
        tell: Makes further changes to the ledger.
        ours: Name -> digest of files that hold it already, and are ours from now on.
        gone: Name -> file of ours that nobody edited; removed once all else was told.
    """

    files: Sequence[publish.Output] = ()
    stage: str = ""
    rows: Sequence[Row] = ()
    own: Sequence[Row] = ()
    tell: Callable[[], None] = lambda: None
    ours: Mapping[str, str] = field(default_factory=dict)
    gone: Mapping[str, Path] = field(default_factory=dict)


def commit(session: Session, batch: CommitBatch) -> None:
    """Make a batch durable, and let the session know; see `publish`."""

    def done() -> None:
        session.ledger.record(batch.stage, batch.rows)
        session.ledger.record(batch.stage, batch.own, again=False)
        for name, digest in batch.ours.items():
            session.ledger.wrote(name, digest)
        batch.tell()

    known = {**publish.publish(session.ledger, batch.files, done), **batch.ours}
    for name, digest in known.items():
        session.written.wrote(name, digest)
    for name, file in batch.gone.items():
        publish.remove(session.ledger, file, name)
        session.written.removed(name)


class Committer:
    """Gathers outcomes of a stage and commits them every 256 samples or 2 seconds.

    Args:
        batch: From outcomes, what they are made durable as. Called only then: what a person
            changed in the meantime is seen.
    """

    def __init__(
        self, session: Session, stage: Stage, batch: Callable[[Sequence[Outcome]], CommitBatch]
    ) -> None:
        self._session, self._stage, self._batch = session, stage, batch
        self._waiting: list[Outcome] = []
        self._since = time.monotonic()

    def add(self, done: Sequence[Outcome]) -> None:
        """Take some outcomes; commit all that wait where it is time to."""
        self._waiting += done
        late = time.monotonic() - self._since > _COMMIT_S
        if late or self._stage.flush_each or len(self._waiting) >= _COMMIT_SAMPLES:
            self.commit()

    def commit(self) -> None:
        """Commit what waits, if anything does."""
        waiting, self._waiting = self._waiting, []
        self._since = time.monotonic()
        if waiting:
            commit(self._session, self._batch(waiting))
