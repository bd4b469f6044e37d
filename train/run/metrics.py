"""One JSON line a step: a log, written as it happens and no part of a run's result."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from prep.runtime import files


@dataclass(frozen=True)
class Metrics:
    """An open log of one run.

    Attributes:
        follow: Called with each line that was written.
    """

    path: Path
    file: TextIO
    follow: Callable[[Mapping[str, Any]], None] = lambda line: None

    @classmethod
    @contextmanager
    def opened(cls, path: Path, done: int) -> "Iterator[Metrics]":
        """Go on with a log behind step `done`; what it says of later steps is forgotten.

        Raises:
            MachineError: The folder cannot be written.
        """
        files.write(path, lines_until(path, done).encode())
        with files.disk_errors(path):
            file = path.open("a", encoding="utf-8")
        with file:
            yield cls(path, file)

    def add(self, line: Mapping[str, Any]) -> None:
        """Write one line and give it to the system, so that others can follow.

        Raises:
            MachineError: The disk is full.
        """
        with files.disk_errors(self.path):
            self.file.write(json.dumps(dict(line)) + "\n")
            self.file.flush()
        self.follow(line)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield what the log says of each step so far."""
        with self.path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def lines_until(path: Path, done: int) -> str:
    """Return the lines of a log up to a step; a torn line ends it."""
    kept: list[str] = []
    lines = path.read_text(encoding="utf-8").splitlines() if done and path.is_file() else []
    for line in lines:
        try:
            step = json.loads(line)["step"]
        except (ValueError, LookupError, TypeError):
            break
        if step > done:
            break
        kept.append(line + "\n")
    return "".join(kept)
