"""When a run was at which step, and with how much memory: a file in its folder, a line at times.

A log, and no part of a run's result. `begins` is a line's where a process took the run up: what
lies between it and the line before was no training.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from prep.runtime import files
from train.run.memory_use import memory_bytes
from train.run.metrics import lines_until

NAME = "progress.jsonl"
_EVERY_S = 5.0


@dataclass
class ProgressLog:
    """An open log of one run.

    Attributes:
        device: Whose memory it tells.
        written_at: When its last line was written, by the clock that never goes back.
    """

    path: Path
    file: TextIO
    device: str
    written_at: float = 0.0

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, done: int, device: str) -> "Iterator[ProgressLog]":
        """Go on behind step `done`; what the file says of later steps is forgotten.

        Raises:
            MachineError: The folder cannot be written.
        """
        path = folder / NAME
        files.write(path, lines_until(path, done).encode())
        with files.disk_errors(path):
            file = path.open("a", encoding="utf-8")
        with file:
            found = cls(path, file, device)
            found.add(done, begins=True)
            yield found

    def after(self, step: int, *, last: bool = False) -> None:
        """Write a line where the one before is old enough, and for the last step."""
        if last or time.monotonic() - self.written_at > _EVERY_S:
            self.add(step)

    def add(self, step: int, *, begins: bool = False) -> None:
        """Write a line.

        Raises:
            MachineError: The disk is full.
        """
        self.written_at = time.monotonic()
        row = {"step": step, "at": round(time.time(), 2), "memory": memory_bytes(self.device)}
        with files.disk_errors(self.path):
            self.file.write(json.dumps(row | ({"begins": True} if begins else {})) + "\n")
            self.file.flush()
