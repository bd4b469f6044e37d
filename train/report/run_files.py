"""What lies in a run folder and can be told of the run, read as it is: the run may be under way."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from prep.runtime.errors import UserError
from train.adapters import lora_metadata
from train.adapters.run_exports import exports_of
from train.run import fixed_losses, picture_losses, progress_log, run_facts
from train.run.fixed_losses import Measured
from train.run.picture_losses import ShownLosses
from train.run.run_folder import run_folder
from train.samples.picture_text import written

_SAMPLE = re.compile(r"(?P<stem>.+)-(?P<number>\d\d+)-(?P<seed>\d+)\.png")


class SamplePicture(NamedTuple):
    """A picture that was drawn while training.

    Attributes:
        prompt: What its file says: prompt and settings.
        number: Of the prompt in its file.
    """

    path: Path
    step: int
    number: int
    prompt: str


@dataclass(frozen=True)
class RunFiles:
    """The files of one run.

    Attributes:
        config: Its settings after defaults, and what decides it.
        facts: See `run_facts`; empty where an earlier version began it.
    """

    folder: Path
    config: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What its exports are called."""
        return str(self.config.get("name", self.folder.name))

    @property
    def steps(self) -> int:
        """Steps of the whole run; 0 where it is not known."""
        return int(self.facts.get("steps") or self.config.get("steps") or 0)

    @property
    def pictures(self) -> Mapping[str, Mapping[str, Any]]:
        """What is known of each picture that trains, by its key."""
        found: Mapping[str, Mapping[str, Any]] = self.facts.get("pictures", {})
        return found

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of its log, a torn one and what is behind it left out."""
        return [*_rows(self.folder / "metrics.jsonl")]

    @cached_property
    def losses(self) -> list[tuple[int, float]]:
        """(step, loss) of each step that was trained."""
        return [(row["step"], row["loss"]) for row in self.metrics if "loss" in row]

    @cached_property
    def progress(self) -> list[dict[str, Any]]:
        """The lines of its log of progress."""
        return [*_rows(self.folder / progress_log.NAME)]

    @cached_property
    def measured(self) -> list[Measured]:
        """What was measured at fixed noise."""
        return fixed_losses.read(self.folder / fixed_losses.NAME)

    @cached_property
    def shown(self) -> ShownLosses | None:
        """The loss of every showing; None where there is none."""
        try:
            return picture_losses.read(self.folder)
        except UserError:
            return None

    @cached_property
    def exports(self) -> list[Path]:
        """Its exports, by their names."""
        return exports_of(self.folder)

    @cached_property
    def said(self) -> Mapping[str, str]:
        """What its newest export that can be read says of itself; nothing where there is none."""
        for path in sorted(self.exports, key=lambda one: one.stat().st_mtime_ns, reverse=True):
            try:
                return lora_metadata.said(path)
            except (UserError, OSError):
                continue
        return {}

    @cached_property
    def samples(self) -> list[SamplePicture]:
        """The pictures drawn on the way, by prompt and step."""
        found = []
        for path in sorted((self.folder / "samples").glob("*.png")):
            name = _SAMPLE.fullmatch(path.name)
            step = self._step(name["stem"]) if name else None
            if name and step is not None:
                found.append(SamplePicture(path, step, int(name["number"]), _text(path)))
        return sorted(found, key=lambda one: (one.number, one.step))

    def _step(self, stem: str) -> int | None:
        """Return the step of an export by its name; None where it is not one of this run's."""
        end = stem.removeprefix(self.name)
        if end == stem:
            return None
        if not end:
            return self.steps
        if step := re.fullmatch(r"-step(\d{8})", end):
            return int(step[1])
        epoch = re.fullmatch(r"-(\d{6})", end)
        return int(epoch[1]) * int(self.config.get("steps_per_epoch", 1)) if epoch else None


def run_files(folder: Path) -> RunFiles:
    """Return the files of a run folder.

    Raises:
        ConfigError: It is none.
    """
    config = run_folder(folder)
    try:
        facts = json.loads((folder / run_facts.NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        facts = {}
    return RunFiles(folder, config, facts if isinstance(facts, dict) else {})


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            return
        if not isinstance(row, dict) or "step" not in row:
            return
        yield row


def _text(path: Path) -> str:
    try:
        return written(path) or ""
    except (OSError, ValueError, LookupError, ArithmeticError):
        return ""
