"""What trials measured, kept in one file, so that none is trained twice."""

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from prep.runtime import files
from train.run import fixed_losses
from train.trials.trial_choice import LossCurve

NAME = "trials.json"


def read(folder: Path) -> dict[str, LossCurve]:
    """Return the curve of each trial that is done, by its name; none where the file is damaged."""
    try:
        found = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return {
            str(name): {int(step): dict(losses) for step, losses in curve.items()}
            for name, curve in found.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def write(folder: Path, found: Mapping[str, LossCurve]) -> None:
    """Keep the curves of trials.

    Raises:
        MachineError: The disk is full, or the folder cannot be written.
    """
    files.write(folder / NAME, (json.dumps(found, sort_keys=True) + "\n").encode())


def curve_of(run: Path) -> LossCurve:
    """Return the loss of each held-out picture of a run, after each step that was measured."""
    rows = fixed_losses.read(run / fixed_losses.NAME)
    return {row.step: {key: fmean(each) for key, each in row.held_out.items()} for row in rows}
