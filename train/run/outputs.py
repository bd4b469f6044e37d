"""What a run is asked to leave behind: exports and their pictures, and which of them are missing.

The folder alone tells it; no list is kept beside it that could say otherwise.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prep.runtime.counts import counted, first_few
from prep.runtime.errors import UserError
from train.config import Config
from train.export.lora_file import unproven
from train.export.metadata import usual_size
from train.run.decide import Run
from train.samples.picture_text import Shown, ShownLora, is_of
from train.samples.prompt_files import read
from train.samples.prompts import Prompt


@dataclass(frozen=True)
class RunOutput:
    """An export and the pictures that are drawn with it.

    Attributes:
        step: Steps that were done before it.
        export: Its file or folder.
        pictures: The file of each picture -> what it shows.
        shown: What all of them show beside that.
    """

    step: int
    export: Path
    pictures: Mapping[Path, Prompt]
    shown: Shown

    def missing(self) -> list[Path]:
        """Return which of its files are not there, or are pictures of another prompt."""
        lacking = [] if self.export.exists() else [self.export]
        return lacking + [
            path
            for path, prompt in self.pictures.items()
            if not path.exists() or not is_of(path, self.shown.text(prompt))
        ]


def prompts(run: Run) -> list[Prompt]:
    """Return the prompts that a run draws, of the size that most of its samples have.

    Raises:
        ConfigError: Their file is missing or has mistakes.
    """
    if run.config.prompts is None:
        return []
    width, height = usual_size(run.data)
    return read(
        run.config.prompts, Prompt("", width=width, height=height, sampler=run.config.sampler)
    )


def drawn_texts(run: Run) -> list[str]:
    """Return the texts of the pictures that a run draws, each once; none where they are no more."""
    try:
        return list(dict.fromkeys(text for one in prompts(run) for text in one.plain_texts()))
    except UserError:
        return []


def output(run: Run, step: int, shown: Sequence[Prompt]) -> RunOutput:
    """Return the export of a step, and its pictures `samples/<export>-<number>-<seed>.png`."""
    export = run.export if step == run.steps else between(run, step)
    folder, name = run.folder / "samples", _stem(export)
    pictures = {
        folder / f"{name}-{number:02d}-{prompt.seed}.png": prompt
        for number, prompt in enumerate(shown)
    }
    word = run.method.prompt_word
    model, loras = (run.base_name, [ShownLora(run.name, word=word)] if word else [])
    if run.method.form(run.config):
        model, loras = run.name, []
    return RunOutput(step, export, pictures, Shown(run.family, model, loras, run.config.clip_skip))


def pictures_of(export: Path) -> list[Path]:
    """Return the pictures of an export that are there, whatever they show."""
    known = re.compile(re.escape(_stem(export)) + r"-\d\d+-\d+\.png")
    found = (export.parent / "samples").glob("*.png")
    return [path for path in found if known.fullmatch(path.name)]


def _stem(export: Path) -> str:
    return export.name.removesuffix(".safetensors").removesuffix(".pt")


def lacking(run: Run) -> list[RunOutput]:
    """Return the exports of a run that is done that lack something.

    An export on the way that was deleted is not among them; one that did not pass its proof is.
    """
    return [one for one in _made(run) if one.missing()]


def _made(run: Run) -> list[RunOutput]:
    """Return the exports of a run that is done that are there, or did not pass their proof."""
    try:
        shown = prompts(run)
    except UserError:  # lost while it trained: then the export is what counts
        shown = []
    due = (step for step in range(1, run.steps) if is_due(step, run.config, run.per_epoch))
    found = [output(run, step, shown) for step in (*due, run.steps)]
    return [one for one in found if one.export.exists() or unproven(one.export).exists()]


def missing(run: Run) -> list[Path]:
    """Return the files that a run that is done lacks, or whose prompt was edited; see `lacking`."""
    return [path for one in lacking(run) for path in one.missing()]


def made_line(run: Run, paths: Sequence[Path]) -> str:
    """Return what was made of files that were missing or of prompts that were edited."""
    pictures = [path for path in paths if path.suffix == ".png"]
    exports = len(paths) - len(pictures)
    each = [counted(len(pictures), "picture")] if pictures else []
    each += [counted(exports, "export")] if exports else []
    names = [f"`{path.relative_to(run.folder)}`" for path in paths]
    verb = "made" if exports else "drawn"
    return f"{' and '.join(each)} {verb} again: {first_few(names)}"


def gone_line(run: Run) -> str | None:
    """Return which pictures of a run that is done are of prompts that its file has no more."""
    if not drawn_texts(run):  # none are asked for, or their file was lost while it trained
        return None
    gone = [
        f"`{path.relative_to(run.folder)}`"
        for one in _made(run)
        for path in sorted(pictures_of(one.export))
        if path not in one.pictures
    ]
    if not gone:
        return None
    be, they = ("is of a prompt", "it is") if len(gone) == 1 else ("are of prompts", "they are")
    count = counted(len(gone), "picture")
    return f"{count} {be} that the file of prompts has no more; {they} left: {first_few(gone)}"


def missing_line(run: Run, paths: Sequence[Path]) -> str:
    """Return what a person should know of files that are missing."""
    names = [f"`{path.relative_to(run.folder)}`" for path in paths]
    edited = any(path.exists() for path in paths)
    if len(names) == 1:
        what = "is of a prompt that was edited" if edited else "is missing"
        return f"{names[0]} {what}; the same command {'draws' if edited else 'tries'} it again"
    what = "are missing or of prompts that were edited" if edited else "are missing"
    return (
        f"{len(names)} exports and pictures {what}: {first_few(names)}; "
        "the same command tries them again"
    )


def is_due(step: int, config: Config, per_epoch: int) -> bool:
    """Return whether the person asked for exports and samples after this many steps."""
    steps = config.save_every_steps
    epochs = config.save_every_epochs and config.save_every_epochs * per_epoch
    return any(every and step % every == 0 for every in (steps, epochs))


def between(run: Run, step: int) -> Path:
    """Return the place of an export before the last one, named as kohya's scripts name theirs."""
    every = run.config.save_every_epochs
    epoch, rest = divmod(step, run.per_epoch)
    word = f"{epoch:06d}" if every and not rest and not epoch % every else f"step{step:08d}"
    return run.folder / f"{run.name}-{word}{run.export.name.removeprefix(run.name)}"
