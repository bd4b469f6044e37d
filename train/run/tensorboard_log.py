"""Losses and learning rates for TensorBoard: made of the log, which stays the truth."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from prep.runtime import files
from train.run.metrics import Metrics

_FOLDER = "tensorboard"  # in the run folder
_SHOWN = ("loss", "learning_rate", "held_out_loss", "trained_loss")


@contextmanager
def followed(metrics: Metrics, folder: Path) -> Iterator[Metrics]:
    """Return a log that TensorBoard can follow: `tensorboard --logdir` of the run folder.

    What it shows of earlier steps is written anew, so that none of a killed run stands twice.

    Raises:
        MachineError: The folder cannot be written.
    """
    from accelerate.tracking import TensorBoardTracker  # type: ignore[import-untyped]

    place = folder / _FOLDER
    with files.disk_errors(place):
        for old in place.glob("events.out.tfevents.*"):
            old.unlink()
        tracker = TensorBoardTracker(_FOLDER, str(folder))
        tracker.start()
        for row in metrics.rows():
            for name, value in _values(row).items():
                tracker.writer.add_scalar(name, value, row["step"])  # `log` would flush each

    def follow(row: Mapping[str, Any]) -> None:
        with files.disk_errors(place):
            tracker.log(_values(row), step=row["step"])

    try:
        yield replace(metrics, follow=follow)
    finally:
        tracker.finish()


def _values(row: Mapping[str, Any]) -> dict[str, float]:
    return {name: row[name] for name in _SHOWN if row.get(name) is not None}
