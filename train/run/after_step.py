"""What happens between two steps: the log, saves, and a stop that was asked for."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from prep.runtime.console import Progress
from prep.runtime.stopping import Stop
from train.config import Config
from train.run import checkpoint
from train.run.checkpoint import Checkpoint
from train.run.memory_use import memory_told
from train.run.metrics import Metrics
from train.run.outputs import is_due
from train.run.watch import Watch
from train.step.distributed import Processes
from train.step.loop import Step
from train.step.shards import gathered
from train.step.trainer import Trainer

# A run that is killed loses at most so much work, whatever the person asked for.
_SAVE_EVERY_S = 600.0
# The loss of one step says little: its timestep decides most of it.
_MEAN_OF = 100


@dataclass
class AfterStep:
    """Called after each step, in every process; only the first one writes.

    Attributes:
        folder: Of the checkpoints.
        steps: Of the whole run.
        per_epoch: Steps of an epoch.
        machine: See `Checkpoint.machine`.
        publish: Called with a step that is saved, to make what is missing of its export and
            pictures.
        watch: What is seen of the run; None where another process writes.
        measured: Whether pictures are measured before the first step and after the last one.
        whole: Returns a block, which all processes enter, in which the first one has all weights.
        follow: Called with each step, once all of it that is due is made.
        losses: Of the last steps, for the mean that is shown.
    """

    config: Config
    folder: Path
    recipe: str
    steps: int
    per_epoch: int
    machine: Mapping[str, Any]
    trainer: Trainer
    processes: Processes
    metrics: Metrics | None
    progress: Progress
    stop: Stop
    publish: Callable[[int], None]
    watch: Watch | None = None
    measured: bool = False
    whole: Callable[[], AbstractContextManager[None]] = nullcontext
    follow: Callable[[int], None] = lambda step: None
    saved_at: float = field(default_factory=time.monotonic)
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=_MEAN_OF))

    def at_once(self, step: int) -> bool:
        """Return whether a step has to be seen before the next one is begun: it is saved."""
        return self.stop.asked is not None or self._is_due(step) or self._is_late()

    def after(self, step: Step) -> None:
        """Write down what a step did, save where it is time, then make what is due.

        Of a step that others followed already there are no weights left to save.

        Raises:
            KeyboardInterrupt: A stop was asked for, here or in another process; so is SystemExit.
            MachineError: The disk is full.
        """
        if self.metrics:
            line = {"step": step.number, "loss": step.loss, "learning_rate": step.rate}
            self.metrics.add(line | {"inputs": step.inputs})
        if self.watch:
            self.watch.after(step)
        self.losses.append(step.loss)
        self.progress.advance(told=partial(self._told, step))
        if not step.newest:
            return
        stopped, late = self.processes.any(self.stop.asked is not None, self._is_late())
        if stopped or late or step.number == self.steps or self._is_due(step.number):
            self._checkpoint(step.number)
        if stopped:
            self.processes.wait()  # a launcher ends the others where one has left
            self.stop.leave()
        self.finish(step.number)
        self.follow(step.number)

    def finish(self, step: int) -> None:
        """Make export and pictures of a step that is saved, where they are due and not there.

        Nothing of the training is lost to a stop here, so it waits for nothing: what is missing
        then is made when the run goes on.

        Raises:
            KeyboardInterrupt: A stop was asked for, here or in another process; so is SystemExit.
            MachineError: The disk is full.
        """
        if not (self._is_due(step) or (self.measured and step in (0, self.steps))):
            return
        try:
            with self.whole():
                if self.processes.first:
                    with self.stop.impatience(), self.trainer.at_rest():
                        if self._is_due(step):
                            self.publish(step)
                        if self.watch:
                            self.watch.look(step)
        finally:
            if any(self.processes.any(self.stop.asked is not None)):
                self.stop.leave()

    def _is_late(self) -> bool:
        return time.monotonic() - self.saved_at > _SAVE_EVERY_S

    def _told(self, step: Step) -> str:
        """Return what a terminal shows of a step."""
        rate = "" if step.rate is None else f"rate {step.rate:.3g}, "
        memory = memory_told(self.processes.device)
        watched = self.watch.told() if self.watch else ""
        return f"loss {step.loss:.4f}, mean {fmean(self.losses):.4f}, {watched}{rate}{memory}"

    def _is_due(self, step: int) -> bool:
        return 0 < step < self.steps and is_due(step, self.config, self.per_epoch)

    def _checkpoint(self, step: int) -> None:
        """Save a step; every process gives what it alone has of it."""
        if self.watch:
            self.watch.save()
        trainer = self.trainer
        weights = gathered(trainer.weights, self.processes)
        tensors = gathered(trainer.tensors(), self.processes)
        self.saved_at = time.monotonic()
        if self.processes.first:
            made = Checkpoint(step, self.recipe, weights, tensors, trainer.numbers(), self.machine)
            checkpoint.write(self.folder, made, self.config.keep)
            self.saved_at = time.monotonic()
