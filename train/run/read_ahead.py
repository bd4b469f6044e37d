"""Texts are read before the training, so that the text encoders need not stay on the device."""

from itertools import islice

from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.errors import MachineError
from train.data.captions import are_few
from train.data.upcoming import upcoming_texts
from train.run.decide import Run
from train.step.loop import Training
from train.step.precision import halved

_GB = 1_000_000_000


def read_ahead(run: Run, training: Training, done: int, console: Console) -> None:
    """Make the states of all texts to come, and put the text encoders away, where both can be.

    In memory that is where each sample has few texts and all states fit; on the disk it is always.
    It decides no bit of a state: each is made as the step would have made it.

    Raises:
        MachineError: The disk has no room for the states.
    """
    if training.base.text_learns() or done >= run.steps:
        return
    with halved(training.base.device, run.config.precision):
        texts = _to_read(run, training, done)
        if texts is None:
            if training.base.device != "cpu":
                training.states.limit = 0  # to keep them on the host, it would wait for the card
            return
        with console.progress("reading texts", len(texts)) as progress:
            training.states.fill(texts, progress.advance)
    training.base.put_away()


def _to_read(run: Run, training: Training, done: int) -> list[str] | None:
    """Return the texts to read, or None where their states cannot be kept."""
    on_disk = run.config.text_cache == "disk"
    if not (on_disk or are_few(run.config)):
        return None
    texts = upcoming_texts(run.data, run.config, done, run.steps)
    first = list(islice(texts, 1))
    size = training.states.size(first[0])
    if not on_disk:
        most = training.states.limit // size
        found = [*first, *islice(texts, most)]
        return found if len(found) <= most else None
    found = [*first, *texts]
    need, left = len(found) * size, files.free_bytes(run.folder)
    if need > left:
        raise MachineError(
            f"`--text-cache disk` needs {need / _GB:.1f} GB for the states of {len(found)} texts, "
            f"and {left / _GB:.1f} GB are free on the disk of `{run.folder}`",
            "leave it out, have fewer texts by `--text-variants`, or name another disk: "
            "`--out FOLDER`",
        )
    return found
