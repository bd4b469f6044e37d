"""`train check`: what a training would do, found out without opening a weight."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.counts import counted
from prep.runtime.files import free_bytes
from prep.runtime.yaml_nodes import as_yaml
from train.config import Config
from train.data.dataset import Data
from train.export import lora_file
from train.optimizers import Rate
from train.run import checkpoint, probe, readiness
from train.run.card_sizes import memory_lines
from train.run.decide import Run, is_precise
from train.run.disk import MB, disk
from train.run.notes import samples_told
from train.run.outputs import missing, missing_line
from train.run.rate_curve import curve
from train.run.text_notes import text_counts
from train.run.watch import measured_samples
from train.step.schedule import learning_rate


def check(
    paths: Sequence[Path],
    config: Config,
    models: Models,
    console: Console,
    coming: Sequence[Path] = (),
) -> None:
    """Print what a training would do with these dataset files and settings; change nothing.

    Args:
        coming: Those of the files that will be prepared first, and are not there yet.

    Raises:
        UserError: What stands in the way; all that can be found is told at once.
    """
    if coming:
        readiness.check_files([path for path in paths if path not in coming], config, models)
        named = ", ".join(f"`{path}`" for path in coming)
        console.say(f"steps, rates and disk can be told once {named} is there", coming=coming)
        return
    found = readiness.ready(paths, config, models, probe.outside, forecast=True)
    run, sizes = found.run, disk(found.run)
    console.say(
        *lines(run, sizes, free_bytes(run.folder), found.memory),
        run=str(run.folder), config=run.config.chosen(), samples=len(run.data.samples),
        steps=run.steps, steps_per_epoch=run.per_epoch, disk=sizes, memory=found.memory,
        state=state(run),
    )  # fmt: skip
    for note in found.notes:
        console.note(note)


def lines(
    run: Run, sizes: Mapping[str, int], left: int, memory: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what a person wants to know before a night of training, a line a subject.

    Args:
        sizes: See `disk`.
        left: Bytes that are free on the disk.
        memory: See `memory_question.answer`; empty where it is not known.
    """
    data, config = run.data, run.config
    deciding, chosen = config.deciding(), config.chosen()
    told = ", ".join(f"{word} {_shown(deciding[word])}" for word in deciding if word in chosen)
    yield f"{run.name}: {run.method.made} `{run.base}` ({run.family.name})"
    yield f"settings: {told}"
    masked = f", with a mask: {len(masks)}" if (masks := data.masks()) else ""
    yield f"samples: {len(data.samples)}{masked}, kept for validation: {data.held_out}"
    yield from _regularisation(data, config)
    for (width, height), counts in data.repeats().items():
        shown = sum(counts.values())
        batches = -(-shown // config.batch)
        seen = f"{counted(len(counts), 'sample')}, shown {shown}, batches {batches}"
        yield f"  {width}x{height}: {seen}"
    if texts := text_counts(data.samples, config):
        yield texts
    trained, held_out = measured_samples(data, config)
    if trained:
        yield (
            "measured at fixed noise at first, at every save and at last: "
            f"{len(trained)} of the pictures that train, {len(held_out)} held out"
        )
    yield (
        f"steps: {run.steps}, {run.per_epoch} an epoch, {run.steps / run.per_epoch:.1f} epochs, "
        f"{samples_told(config, data.repeats(), 'each')}"
    )
    yield f"learning rate: {_rates(config, run.steps)}"
    if (peak := config.learning_rate) is not None:
        drawn = curve(lambda step: learning_rate(step, peak, config, run.steps), run.steps)
        yield from (f"  {line}" for line in drawn)
    if sizes:
        yield (
            f"disk: an export {sizes['export'] / MB:.1f} MB, a checkpoint "
            f"{sizes['checkpoint'] / MB:.1f} MB, at most {sizes['most'] / MB:.1f} MB; "
            f"{left / MB:.0f} MB are free"
        )
    if memory:
        yield from memory_lines(memory)
    yield f"{run.folder}: {state(run)}"


def _regularisation(data: Data, config: Config) -> Iterator[str]:
    """Yield how often class pictures are shown in an epoch, and how their loss is weighed."""
    ours = [one for one in data.samples.values() if one.regularisation]
    if not ours:
        return
    shown = {True: 0, False: 0}
    for one in data.samples.values():
        shown[one.regularisation] += one.repeats
    weights = sorted({one.weight * config.prior_loss_weight for one in ours})
    told = " to ".join(f"{weight:.7g}" for weight in dict.fromkeys((weights[0], weights[-1])))
    left = f"; {data.spare} more are left out: there are fewer others" if data.spare else ""
    yield (
        f"regularisation pictures: {len(ours)}, shown {shown[True]} beside {shown[False]} others, "
        f"weight {told}{left}"
    )


def _rates(config: Config, steps: int) -> str:
    """Return what the learning rate is over a run, in a person's words."""
    peak = config.learning_rate
    if peak is None:
        return f"`{config.optimizer}` decides it"
    at = [learning_rate(step, peak, config, steps) for step in (0, steps // 2, steps - 1)]
    told = f"{config.schedule}, {at[0]:.3g} at first, {at[1]:.3g} half way, {at[2]:.3g} at last"
    found = config.row().rate is Rate.FACTOR
    return f"{told}, times what `{config.optimizer}` finds" if found else told


def _shown(value: object) -> str:
    """Return a value as a person would write it: alpha is rounded to a float32."""
    return as_yaml(float(f"{value:.7g}") if isinstance(value, float) else value)


def state(run: Run) -> str:
    """Return what the run folder holds already, and what the command would do with it."""
    if run.export.exists() and lora_file.recipe_of(run.export) == run.recipe:
        done = lora_file.steps_of(run.export)
        if done != run.steps:
            return _continues(run, done)
        if not is_precise(run):
            return f"is done; the export is written again as {run.config.save_precision}"
        found = missing(run)
        return f"is done; {missing_line(run, found)}" if found else "is done"
    for step, folder in checkpoint.steps(run.checkpoints):
        if checkpoint.whole(folder):
            return _continues(run, step)
    return "begins at step 1"


def _continues(run: Run, done: int) -> str:
    return f"continues after step {done} of {run.steps}"
