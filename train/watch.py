"""What happens between two steps: the log, saves, and a stop that was asked for."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prep.runtime.console import Progress
from train import checkpoint
from train.checkpoint import Checkpoint
from train.config import Config
from train.crew import Crew
from train.loop import Step
from train.metrics import Metrics
from train.optimizer import Learner
from train.stopping import Stop

# A run that is killed loses at most so much work, whatever the person asked for.
_SAVE_EVERY_S = 600.0


class StoppedError(Exception):
    """The training was asked to stop, and everything is saved."""


@dataclass
class Watch:
    """Called after each step, in every process; only the first one writes.

    Attributes:
        folder: Of the checkpoints.
        steps: Of the whole run.
        per_epoch: Steps of an epoch.
        machine: See `Checkpoint.machine`.
        save: Called with the number of steps where exports and samples are due.
    """

    config: Config
    folder: Path
    recipe: str
    steps: int
    per_epoch: int
    machine: Mapping[str, Any]
    learner: Learner
    crew: Crew
    metrics: Metrics | None
    progress: Progress
    stop: Stop
    save: Callable[[int], None]
    saved_at: float = field(default_factory=time.monotonic)

    def after(self, step: Step) -> None:
        """Write down what a step did, and save where it is time.

        Raises:
            StoppedError: A stop was asked for.
            MachineError: The disk is full.
        """
        stopped = self.crew.total(self.stop.asked is not None) > 0
        if self.metrics:
            line = {"step": step.number, "loss": step.loss, "learning_rate": step.rate}
            self.metrics.add(line | {"inputs": step.inputs})
        self.progress.advance()
        due = is_due(step.number, self.config, self.per_epoch)
        if self.crew.first and due and step.number < self.steps:
            self.save(step.number)
        late = time.monotonic() - self.saved_at > _SAVE_EVERY_S
        if self.crew.first and (due or late or stopped or step.number == self.steps):
            self._checkpoint(step.number)
        if stopped:
            raise StoppedError

    def _checkpoint(self, step: int) -> None:
        learner = self.learner
        weights, tensors, numbers = learner.weights, learner.tensors(), learner.numbers()
        made = Checkpoint(step, self.recipe, weights, tensors, numbers, self.machine)
        checkpoint.write(self.folder, made, self.config.keep)
        self.saved_at = time.monotonic()


def is_due(step: int, config: Config, per_epoch: int) -> bool:
    """Return whether the person asked for exports and samples after this many steps."""
    steps = config.save_every_steps
    epochs = config.save_every_epochs and config.save_every_epochs * per_epoch
    return any(every and step % every == 0 for every in (steps, epochs))
