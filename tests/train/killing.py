"""A training that kills itself: after a step, or at a write of a checkpoint.

`python -m tests.train.killing META HOME STEP FSYNC [SETTINGS]`: SIGKILL after step STEP of this
process; or, with FSYNC above 0, at that flush to the disk counted from the end of step STEP.
SETTINGS is JSON. A STEP of 0 kills nothing.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prep.models.locate import Models
from prep.runtime.console import Console, Progress
from train.methods import config_of
from train.run import start

ROOT = Path(__file__).resolve().parents[2]
# Flushes of a step that is saved. Six are the checkpoint's: weights, optimizer, numbers, manifest,
# its folder before and the one around it after the new name; then come the export's three.
FLUSHES = 9


@dataclass(frozen=True)
class Killing(Console):
    """A console that nobody reads, whose progress kills the process.

    Attributes:
        step: After this one; 0 kills nothing.
        flush: At that flush after the step; 0 at once.
    """

    level: int = 0
    step: int = 0
    flush: int = 0

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Progress]:
        """Yield a progress that kills after the step; not before the steps."""
        yield (Fatal(self, title, total) if title == "training" else Progress(self, title, total))


class Fatal(Progress):
    """Counts steps; at the console's the process, or its next flushes, die."""

    def __init__(self, console: Killing, title: str, total: int) -> None:
        super().__init__(console, title, total)
        self._step, self._flush = console.step, console.flush

    def advance(self, count: int = 1, told: Callable[[], str] = str) -> None:
        """Count a step."""
        super().advance(count, told)
        if self.done == self._step:
            if not self._flush:
                os.kill(os.getpid(), signal.SIGKILL)
            _kill_at_flush(self._flush)


def _kill_at_flush(nth: int) -> None:
    real, calls = os.fsync, [0]

    def fsync(descriptor: int) -> None:
        calls[0] += 1
        if calls[0] == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor)

    os.fsync = fsync


def killed(meta: Path, home: Path, step: int, flush: int, settings: dict[str, Any]) -> int:
    """Train in a process of its own that kills itself; return its exit code."""
    words = [str(meta), str(home), str(step), str(flush), json.dumps(settings)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.killing", *words], cwd=ROOT, check=False,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode


def trained(meta: Path, home: Path, settings: dict[str, Any], console: Console) -> Path:
    """Train in this process; return the export."""
    places = {word: Path(settings[word]) for word in ("out", "prompts") if word in settings}
    config = config_of(**settings | places)
    return start.start([meta], config, Models(home, offline=True), console)


if __name__ == "__main__":
    places, numbers = map(Path, sys.argv[1:3]), map(int, sys.argv[3:5])
    step, flush = numbers
    trained(*places, json.loads(sys.argv[5]), Killing(step=step, flush=flush))
