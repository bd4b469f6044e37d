"""What is seen of a run while it trains: the loss of each picture, held-out loss, warnings."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prep.runtime.console import Console
from train.config import Config
from train.data.dataset import Data, TrainingSample
from train.run import fixed_losses, picture_losses
from train.run.fixed_losses import FixedLosses, Losses, Measured
from train.run.loss_range import WINDOW, LossRange
from train.run.memorised import Fall, falls
from train.run.metrics import Metrics
from train.run.picture_losses import PictureLosses
from train.run.wrong_captions import doubts
from train.step.loop import Step

Samples = dict[str, TrainingSample]
# Samples -> the loss of each at the fixed times, with the weights that are there now.
Measure = Callable[[Samples], dict[str, list[float]]]


def measured_samples(data: Data, config: Config) -> tuple[Samples, Samples]:
    """Return the pictures whose loss is measured at fixed noise: that train, and held out."""
    held_out = dict(sorted(data.validation.items()))
    return fixed_losses.watched(data, config.watch or len(held_out)), held_out


@dataclass
class Watch:
    """The files of one run, open, and what was told of it already.

    Attributes:
        trained: Pictures that train and are measured.
        held_out: Those that do not train.
        fixed: None where there are neither.
        measure_textless: The same without any text; None: it is not measured.
        logged: Steps whose means are in the log.
        named: Pictures that were said to be learnt by heart.
    """

    console: Console
    pictures: PictureLosses
    fixed: FixedLosses | None
    measure: Measure
    metrics: Metrics
    trained: Samples
    held_out: Samples
    measure_textless: Measure | None = None
    logged: set[int] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    range: LossRange = field(default_factory=LossRange)

    def after(self, step: Step) -> None:
        """Write down what a step showed; say where the loss left its range."""
        self.pictures.add(step.number, step.each)
        if times := self.range.left_with(step.loss):
            self.console.note(
                f"the loss has left its range: over the last {WINDOW} steps it is {times:.1f} "
                f"times that of the first {WINDOW}; a lower `--learning-rate` is what helps most "
                "often"
            )

    def save(self) -> None:
        """Let all that was written be on the disk; see `PictureLosses.flush`."""
        self.pictures.flush()

    def look(self, step: int) -> None:
        """Measure the pictures after a step, where it was not done; say which are memorised.

        The weights are those to be used.
        """
        if self.fixed is None:
            return
        row = self.fixed.of_step(step)
        if row is None:
            row = self._measured(step)
            self.fixed.add(row)
        if step not in self.logged:
            self.logged.add(step)
            self.metrics.add({"step": step, **row.means()})
        for fall in self._memorised(row.trained):
            if fall.key not in self.named:
                self.named.add(fall.key)
                self.console.note(_told(fall, self.trained, self.pictures.path.parent))

    def _measured(self, step: int) -> Measured:
        """Return what is measured now; the first time, what texts do, and say which seem wrong."""
        trained, held_out = self.measure(self.trained), self.measure(self.held_out)
        if self.measure_textless is None or (self.fixed and self.fixed.rows):
            return Measured(step, trained, held_out)
        row = Measured(step, trained, held_out, self.measure_textless(self.trained))
        for doubt in doubts(row):
            if doubt.stands_out():
                self.console.note(doubt.told())
        return row

    def _memorised(self, now: Losses) -> list[Fall]:
        rows = self.fixed.rows if self.fixed else []
        return [fall for fall in falls(rows[0].trained, now) if fall.stands_out()] if rows else []

    def told(self) -> str:
        """Return what a terminal shows beside the loss of a step."""
        means = self.fixed.rows[-1].means() if self.fixed and self.fixed.rows else {}
        words = {"held_out_loss": "held out", "trained_loss": "trained"}
        return "".join(f"{words[name]} {mean:.4f}, " for name, mean in means.items())


def _told(fall: Fall, trained: Samples, folder: Path) -> str:
    fell = f"at the same noise its loss is {fall.ratio:.2f} of what it was"
    return (
        f"`{fall.key}` is being learnt by heart: {fell}, much further from it than that of the "
        f"other {len(trained) - 1} pictures; `train losses {folder}` lists them"
    )


@contextmanager
def watching(
    data: Data,
    config: Config,
    metrics: Metrics | None,
    done: int,
    console: Console,
    *,
    measure: Measure,
    measure_textless: Measure | None = None,
) -> Iterator[Watch | None]:
    """Go on watching a run behind step `done`.

    Args:
        metrics: None where another process writes; then it is not watched here.

    Raises:
        MachineError: The folder cannot be written.
    """
    if metrics is None:
        yield None
        return
    folder = metrics.path.parent
    trained, held_out = measured_samples(data, config)
    with ExitStack() as stack:
        pictures = stack.enter_context(
            PictureLosses.opened(folder / picture_losses.NAME, data.samples, done)
        )
        fixed = None
        if trained or held_out:
            fixed = stack.enter_context(FixedLosses.opened(folder / fixed_losses.NAME, done))
        found = Watch(
            console, pictures, fixed, measure, metrics, trained, held_out, measure_textless
        )
        for row in metrics.rows():
            if "loss" in row:
                found.range.left_with(row["loss"])
            else:
                found.logged.add(row["step"])
        for earlier in fixed.rows if fixed else ():
            found.named |= {fall.key for fall in found._memorised(earlier.trained)}
        yield found
