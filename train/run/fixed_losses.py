"""Losses at fixed noise, as a run measured them: a file in its folder, one JSON line a save."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, TextIO

from prep.runtime import files
from prep.runtime.seeds import seed_for

if TYPE_CHECKING:
    from train.data.dataset import Data, TrainingSample

NAME = "fixed_losses.jsonl"
Losses = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Measured:
    """What was measured after a step.

    Attributes:
        trained: Key of a picture that trains -> its loss at each of the fixed times.
        held_out: The same of pictures that are held out.
        textless: The same of those that train, shown without any text; the first time alone.
    """

    step: int
    trained: Losses
    held_out: Losses
    textless: Losses = field(default_factory=dict)

    def means(self) -> dict[str, float]:
        """Return the mean losses, by the names that they have in the log."""
        each = {"held_out_loss": self.held_out, "trained_loss": self.trained}
        return {name: _mean(losses) for name, losses in each.items() if losses}


def _mean(losses: Losses) -> float:
    return fmean(loss for each in losses.values() for loss in each)


@dataclass(frozen=True)
class FixedLosses:
    """The open file of one run, and what it holds."""

    path: Path
    file: TextIO
    rows: list[Measured]

    @classmethod
    @contextmanager
    def opened(cls, path: Path, done: int) -> "Iterator[FixedLosses]":
        """Go on behind step `done`; what the file says of later steps is forgotten.

        Raises:
            MachineError: The folder cannot be written.
        """
        rows = [row for row in read(path) if row.step <= done] if done else []
        files.write(path, "".join(map(_line, rows)).encode())
        with files.disk_errors(path):
            file = path.open("a", encoding="utf-8")
        with file:
            yield cls(path, file, rows)

    def of_step(self, step: int) -> Measured | None:
        """Return what was measured after a step; None where nothing was."""
        return next((row for row in self.rows if row.step == step), None)

    def add(self, row: Measured) -> None:
        """Write down what was measured.

        Raises:
            MachineError: The disk is full.
        """
        self.rows.append(row)
        with files.disk_errors(self.path):
            self.file.write(_line(row))
            self.file.flush()


def read(path: Path) -> list[Measured]:
    """Return what a file holds, a torn line and what is behind it left out."""
    found: list[Measured] = []
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for line in lines:
        try:
            row = json.loads(line)
            textless = row.get("textless", {})
            found.append(Measured(row["step"], row["trained"], row["held_out"], textless))
        except (ValueError, LookupError, TypeError, AttributeError):
            break
    return found


def watched(data: "Data", count: int) -> "dict[str, TrainingSample]":
    """Return so many pictures that train, those that are shown most first; of copies one.

    Of pictures that are shown as often as others, chance decides; those of the class are none.
    """
    shown: dict[str, int] = {}
    first: dict[str, str] = {}
    for key, one in sorted(data.samples.items()):
        if not one.regularisation:
            shown[one.latents_digest] = shown.get(one.latents_digest, 0) + one.repeats
            first.setdefault(one.latents_digest, key)
    order = sorted(first, key=lambda digest: (-shown[digest], seed_for(0, "watched", digest)))
    return {first[digest]: data.samples[first[digest]] for digest in order[:count]}


def _line(row: Measured) -> str:
    told = {"step": row.step, "trained": row.trained, "held_out": row.held_out}
    told |= {"textless": row.textless} if row.textless else {}
    return json.dumps(told, sort_keys=True) + "\n"
