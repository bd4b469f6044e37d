"""What a run is to leave is written: exports, and the pictures drawn with each."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from prep.runtime import files
from prep.runtime.console import Console
from train.export import lora_file
from train.export.lora_file import ProofError
from train.export.made_with import made_with
from train.export.metadata import Facts, metadata
from train.families.diffusion_process import ends_in_noise
from train.families.family import Base
from train.methods.method import Export
from train.run.decide import Run, program_version
from train.run.memory_errors import MemoryShortError, memory_errors
from train.run.outputs import RunOutput, between, output, pictures_of
from train.samples.prompts import Prompt
from train.step.compiled import uncompiled
from train.step.loop import Training
from train.step.trainer import Trainer


def publish(run: Run, base: Base, path: Path, step: int) -> None:
    """Write the export of a step."""
    config = replace(run.config, steps=step)
    facts = Facts(
        name=run.name,
        recipe=run.recipe,
        base=run.base_name,
        base_digest=run.base_digest,
        base_hashes=run.base_hashes,
        version=program_version(),
        prediction=base.process.prediction,
        of_method=run.method.metadata(config),
        architecture=run.method.architecture,
        chunks=run.chunks,
        ends_in_noise=ends_in_noise(base.process),
        made_with=made_with(base.device),
        length=run.steps if config.schedule_row().knows_end else 0,
    )
    about = metadata(run.data, config, run.family, facts)
    with uncompiled(config.compile):
        run.method.publish(Export(path, base, run.family, config, run.found.path, about))


def keep(run: Run, training: Training, wish: RunOutput, console: Console) -> None:
    """Write what is missing of an export and its pictures; what goes wrong is told, and no more."""
    if not wish.export.exists():
        try:
            publish(run, training.base, wish.export, wish.step)
        except ProofError as error:
            console.wrong(str(error))
    draw(run, training, wish, console)


def draw(run: Run, training: Training, wish: RunOutput, console: Console) -> None:
    """Draw the pictures of an export that are missing or of another prompt; see `Drawer`."""
    missing = wish.missing()
    asked = {path: prompt for path, prompt in wish.pictures.items() if path in missing}
    from train.samples.drawer import Drawer, png
    from train.samples.sampler import NotFiniteError, opened_vae

    drawer: Drawer | None = None
    for path, prompt in asked.items():
        try:
            with memory_errors(run.config, picture=True), uncompiled(run.config.compile):
                if drawer is None:
                    coder = opened_vae(run.found.path, training.base.device)
                    drawer = Drawer(training.base, coder, wish.shown)
                picture = drawer.picture(prompt)
        except (NotFiniteError, MemoryShortError) as error:
            console.wrong(f"not drawn: {path.name}: {error}")
        else:
            files.write(path, png(picture, wish.shown.text(prompt)))


def publish_last(
    run: Run, training: Training, trainer: Trainer, shown: Sequence[Prompt], console: Console
) -> None:
    """Make what the run is for. The export is the last of it: with it the run is done."""
    _keep_shorter(run)
    with trainer.at_rest():
        draw(run, training, output(run, run.steps, shown), console)
        publish(run, training.base, run.export, run.steps)


def _keep_shorter(run: Run) -> None:
    """Give pictures and export of a run that was made longer the name of its epoch or step."""
    if run.export.exists():
        target = between(run, lora_file.steps_of(run.export))
        name = target.name.removesuffix(run.export.name.removeprefix(run.name))
        for path in pictures_of(run.export):
            path.replace(path.with_name(name + path.name.removeprefix(run.name)))
        if target.is_dir():  # made on the way, of the same weights; a folder cannot be replaced
            shutil.rmtree(run.export)
        else:
            run.export.replace(target)
