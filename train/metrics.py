"""One JSON line a step: a log, written as it happens and no part of a run's result."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from prep import files


@dataclass(frozen=True)
class Metrics:
    """An open log of one run."""

    path: Path
    file: TextIO
    learning_rate: float

    @classmethod
    @contextmanager
    def opened(cls, path: Path, learning_rate: float) -> "Iterator[Metrics]":
        """Begin a new log, in place of that of a run that was stopped.

        Raises:
            MachineError: The folder cannot be written.
        """
        with files.disk_errors(path):
            file = path.open("w", encoding="utf-8")
        with file:
            yield cls(path, file, learning_rate)

    def add(self, step: int, loss: float) -> None:
        """Write one line and give it to the system, so that others can follow.

        Raises:
            MachineError: The disk is full.
        """
        line = {"step": step, "loss": loss, "learning_rate": self.learning_rate}
        with files.disk_errors(self.path):
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()
