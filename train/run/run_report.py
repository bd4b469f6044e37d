"""The page of a run, as the run sees it: somebody who is told of each step, and writes it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from prep.runtime.console import Console
from train.run.decide import Run
from train.run.progress_log import ProgressLog
from train.step.distributed import Processes


class RunReport(Protocol):
    """Writes the page of a run. Nothing of the training depends on it."""

    def follow(self, folder: Path, console: Console) -> None:
        """Write the page of a run folder, where it is time."""

    def write(self, folder: Path, console: Console) -> None:
        """Write it."""


class NoReport:
    """Writes nothing."""

    def follow(self, folder: Path, console: Console) -> None:
        """Do nothing."""

    def write(self, folder: Path, console: Console) -> None:
        """Do nothing."""


@contextmanager
def following(
    run: Run, done: int, found: Processes, report: RunReport, console: Console
) -> Iterator[Callable[[int], None]]:
    """Return what is to be called after each step: it writes the log of progress, and the page.

    In a process that writes nothing it does nothing.
    """
    if not found.first:
        yield lambda step: None
        return
    with ProgressLog.opened(run.folder, done, found.device) as log:

        def follow(step: int) -> None:
            log.after(step, last=step == run.steps)
            report.follow(run.folder, console)

        yield follow
