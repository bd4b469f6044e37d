"""`train check`: what a training would do, found out without opening a weight."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path

from prep import ldm, tensorfile
from prep.console import Console
from prep.errors import UserError
from prep.models import Models
from train import checkpoint, export
from train import data as datasets
from train.config import OF_LORAS, Config
from train.run import Run, check_vae, decide, opened_base
from train.schedule import learning_rate

# Weights, and AdamW's two means of each.
_KEPT_PER_WEIGHT = 3
_MB = 1_000_000


def check(
    paths: Sequence[Path],
    config: Config,
    models: Models,
    console: Console,
    coming: Sequence[Path] = (),
) -> None:
    """Print what a training would do with these files and settings; change nothing.

    Args:
        coming: Those of the files that will be prepared first, and are not there yet.

    Raises:
        UserError: What stands in the way; all that can be found is told at once.
    """
    wrong = list(mistakes([path for path in paths if path not in coming], config, models))
    if wrong:
        first, *others = wrong
        more = [(str(one), one.hint) for one in others]
        raise type(first)(str(first), first.hint, (*first.others, *more))
    if coming:
        named = ", ".join(f"`{path}`" for path in coming)
        console.say(f"steps, rates and disk can be told once {named} is there", coming=coming)
        return
    run = decide(paths, config, models)
    notes = check_vae(run)
    sizes = disk(run)
    console.say(
        *lines(run, sizes, _free(run.folder)),
        run=str(run.folder), config=run.config.chosen(), samples=len(run.data.lessons),
        steps=run.steps, steps_per_epoch=run.per_epoch, disk=sizes, state=state(run),
    )  # fmt: skip
    for note in notes:
        console.note(note)


def mistakes(paths: Sequence[Path], config: Config, models: Models) -> Iterator[UserError]:
    """Yield what is wrong with each dataset file, and with the base model."""
    named = config.base
    for path in paths:
        try:
            found = datasets.load([path])
            named = named or found.base
        except UserError as error:
            yield error
    if named:
        try:
            opened_base(named, models)
        except UserError as error:
            yield error


def lines(run: Run, sizes: Mapping[str, int], free: int) -> Iterator[str]:
    """Yield what a person wants to know before a night of training, a line a subject."""
    data, config = run.data, run.config
    whole = config.method == "finetune"
    deciding = {w: v for w, v in config.deciding().items() if not (whole and w in OF_LORAS)}
    lowered = ", ".join(f"{word} {value}" for word, value in deciding.items())
    what = "a fine-tune of" if whole else "a LoRA on"
    yield f"{run.name}: {what} `{run.base}` ({run.family.name})"
    yield f"settings: {lowered}"
    yield f"samples: {len(data.lessons)}, kept for validation: {data.held_out}"
    for (width, height), counts in data.repeats().items():
        shown = sum(counts.values())
        batches = -(-shown // config.batch)
        yield f"  {width}x{height}: {len(counts)} samples, shown {shown}, steps {batches}"
    yield (
        f"steps: {run.steps}, {run.per_epoch} an epoch, {run.steps / run.per_epoch:.1f} epochs, "
        f"{config.batch} samples each"
    )
    rates = [learning_rate(step, config, run.steps) for step in (0, run.steps // 2, run.steps - 1)]
    yield (
        f"learning rate: {config.schedule}, {rates[0]:.3g} at first, {rates[1]:.3g} half way, "
        f"{rates[2]:.3g} at last"
    )
    if sizes:
        yield (
            f"disk: an export {sizes['export'] / _MB:.1f} MB, a checkpoint "
            f"{sizes['checkpoint'] / _MB:.1f} MB, at most {sizes['most'] / _MB:.1f} MB; "
            f"{free / _MB:.0f} MB are free"
        )
    yield f"{run.folder}: {state(run)}"


def state(run: Run) -> str:
    """Return what the run folder holds already, and what the command would do with it."""
    if run.export.exists() and export.recipe_of(run.export) == run.recipe:
        done = export.steps_of(run.export)
        return "is done" if done == run.steps else f"goes on behind step {done}"
    for step, folder in checkpoint.steps(run.checkpoints):
        if checkpoint.whole(folder):
            return f"goes on behind step {step}"
    return "begins at step 1"


def disk(run: Run) -> dict[str, int]:
    """Return the bytes of an export, of a checkpoint, and of all that a run keeps at once.

    Nothing where the shapes of the base model's weights cannot be read without opening it.
    """
    shapes = _shapes(run.found.path)
    if not shapes:
        return {}
    learn, written = _sizes(run, shapes)
    every = run.config.save_every_steps or (run.config.save_every_epochs or 0) * run.per_epoch
    exports = 1 + (run.steps // every if every else 0)
    kept = run.config.keep + 1  # an old one goes only when the new one is whole
    export_bytes, whole = 4 * written, 4 * learn * _KEPT_PER_WEIGHT
    most = exports * export_bytes + kept * whole
    return {"export": export_bytes, "checkpoint": whole, "most": most}


def _sizes(run: Run, shapes: Mapping[str, Mapping[str, tuple[int, ...]]]) -> tuple[int, int]:
    """Return how many numbers learn, and how many an export holds."""
    config = run.config
    if config.method == "finetune":
        each = {part: sum(map(prod, found.values())) for part, found in shapes.items()}
        return each["unet"] + config.text_encoder * each["text_encoder"], sum(each.values())
    targets = {"unet": run.family.targets(config.targets)}
    if config.text_encoder:
        targets["text_encoder"] = run.family.text_targets
    learn = sum(adapter_size(shapes[part], ends, config.rank) for part, ends in targets.items())
    return learn, learn


def adapter_size(shapes: Mapping[str, tuple[int, ...]], endings: Sequence[str], rank: int) -> int:
    """Return how many numbers an adapter has, by the shapes of the weights it goes beside."""
    dotted = tuple(f".{ending}.weight" for ending in endings)
    found = [shape for name, shape in shapes.items() if name.endswith(dotted)]
    return sum(rank * (out + prod(inner)) for out, *inner in found)


def _shapes(place: Path) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the shapes of U-Net, text encoder and VAE by diffusers' names; headers only."""
    if place.is_file():
        if place.suffix.lower() != ".safetensors":
            return {}
        names = tensorfile.header(place).tensors
        return {
            part: {
                ldm.from_ldm(part, name): at.shape
                for name, at in names.items()
                if name.startswith(ldm.PARTS[part])
            }
            for part in ("unet", "text_encoder", "vae")
        }
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for part in ("unet", "text_encoder", "vae"):
        name = "model" if part == "text_encoder" else "diffusion_pytorch_model"
        tensors = tensorfile.header(place / part / f"{name}.safetensors").tensors
        found[part] = {name: at.shape for name, at in tensors.items()}
    return found


def _free(folder: Path) -> int:
    """Return the free bytes of the disk that a folder, there or not yet, is on."""
    there = folder.resolve()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(os.fspath(there)).free
