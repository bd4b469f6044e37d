"""The last part of a run, trained once more from one of its checkpoints, as it was or otherwise."""

from dataclasses import dataclass, replace
from pathlib import Path

from prep.models.devices import torch_device
from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError
from train.export import lora_file
from train.run import checkpoint
from train.run.decide import Run
from train.step.loop import Step

_HINT = "train it again with `--save-every-epochs` and `--keep 10`, or name another run"


@dataclass(frozen=True)
class Variant:
    """A run whose last part is trained once more.

    Attributes:
        name: What its export is called.
        run: With the data and settings of that part.
        what: What is otherwise, as its recipe has it; empty for nothing.
    """

    name: str
    run: Run
    what: str = ""

    def export(self, folder: Path) -> Path:
        """Return the place of its export."""
        return folder / f"{self.name}{self.run.method.ending(self.run.config)}"


def first_step(run: Run, wish: int | None) -> int:
    """Return the step from which on the last part is trained: of the oldest checkpoint.

    Args:
        wish: The step that a person asked for; None for the oldest.

    Raises:
        ConfigError: There is no such checkpoint before the end.
    """
    there = sorted(step for step, _ in checkpoint.steps(run.checkpoints) if step < run.steps)
    if not there:
        raise ConfigError(f"`{run.folder}` has no checkpoint before its last step", _HINT)
    if wish is not None and wish not in there:
        raise ConfigError(
            f"`{run.folder}` has no checkpoint of step {wish}",
            f"it has {counted(len(there), 'checkpoint')}: {', '.join(map(str, there))}",
        )
    return there[0] if wish is None else wish


def trained(variant: Variant, step: int, folder: Path, console: Console) -> Path:
    """Train a variant from the checkpoint of a step to the end, if it was not; return its export.

    Raises:
        ConfigError: The checkpoint is not whole.
        MachineError: Numbers are not finite, or the disk is full.
    """
    from train.run.execute import opened, trainer_of
    from train.run.publish_outputs import publish
    from train.step.distributed import Processes
    from train.step.kernels import kernels
    from train.step.loop import train

    recipe = files.digest_bytes(files.canonical([variant.run.recipe, step, variant.what]).encode())
    place = variant.export(folder)
    if place.exists() and lora_file.recipe_of(place) == recipe:
        return place
    run = replace(variant.run, config=replace(variant.run.config, text_cache="memory"))
    made = checkpoint.of_step(run.checkpoints, step, run.recipe)
    if made is None:
        raise ConfigError(f"the checkpoint of step {step} in `{run.folder}` is not whole", _HINT)
    found = Processes(torch_device(run.config.device))
    with (
        kernels(found.device, run.config.attention),
        console.progress(f"training {variant.name}", run.steps - step) as progress,
    ):
        training = opened(run, found)
        trainer = trainer_of(run, training.base)
        trainer.restore(made.weights, made.optimizer, made.numbers)

        def after(one: Step) -> None:
            progress.advance(told=lambda: f"loss {one.loss:.4f}")

        train(training, trainer, step, run.steps, after)
        with trainer.at_rest():
            publish(replace(run, recipe=recipe, name=variant.name), training.base, place, run.steps)
    return place
