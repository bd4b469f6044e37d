"""Carrying a run out: load, go on where it stopped, train, export."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from prep import vae
from prep.console import Console
from prep.errors import MachineError
from prep.yamlfile import written
from train import checkpoint, crew, export, proof, stopping
from train import lora as adapter
from train.crew import Crew
from train.export import ProofError
from train.family import Base
from train.feed import Feed
from train.loop import HALVES, Task, train
from train.metadata import Facts, metadata, usual_size
from train.metrics import Metrics
from train.model_files import FORMS
from train.optimizer import Learner, check_device
from train.prompts import Prompt, read
from train.run import Run, check_length, program_version
from train.text import States
from train.watch import StoppedError, Watch


def carry_out(run: Run, console: Console) -> None:
    """Train up to the run's last step and publish its export.

    Raises:
        UserError: Something that a person can mend.
        KeyboardInterrupt: Stopped by Ctrl-C; everything is saved.
        SystemExit: Stopped by SIGTERM, likewise.
    """
    with memory_errors(), crew.joined(run.config.device) as found:
        check_device(run.config, found.device)
        task = opened(run, found)
        learner = Learner(task.base.learning(), run.config, found.device.split(":")[0])
        done = _restored(run, learner, machine(run, found), console)
        stopped = _train(run, task, learner, done, console)
        if found.first and stopped is None:
            _keep_shorter(run)
            _draw(run, task, run.export, console)
            publish(run, task.base, run.export, run.steps)  # last: with it the run is done
        found.wait()
    if stopped is not None:
        signal.raise_signal(stopped)


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn what torch says of too little memory into advice.

    Raises:
        MachineError: Memory of the GPU or of the machine was not enough.
    """
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        known = isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
        if not known:
            raise
        raise MachineError(
            "there is too little memory for this training",
            "try `--gradient-checkpointing`, more `--accumulate`, `--precision bf16`, "
            "or a smaller `--batch`",
        ) from error


def opened(run: Run, found: Crew) -> Task:
    """Return the base model with its adapter, and what it will be shown."""
    config = run.config
    whole = config.method == "finetune"  # small steps would be rounded away in half precision
    kind = "float32" if whole else HALVES.get(config.precision, "float32")
    base = run.family.load(run.found.path, found.device, kind)
    if whole:
        _unfreeze(base, config.text_encoder)
    else:
        adapter.adapt(base, run.family, config)
    network: Any = base.network
    if config.gradient_checkpointing:
        network.enable_gradient_checkpointing()
    if config.attention == "xformers":
        network.enable_xformers_memory_efficient_attention()
    numbers = vae.settings(run.found.path)
    feed = Feed(run.data, config, numbers["scaling_factor"], numbers["shift_factor"])
    states = States(
        lambda texts: run.family.encode(base, texts, config.clip_skip), base.text_learns()
    )
    return Task(base, run.family, feed, states, found)


def _unfreeze(base: Base, text_encoder: bool) -> None:
    """Let the network itself learn, and the text encoders where they are asked for."""
    base.network.requires_grad_(True)
    if text_encoder:
        for encoder in base.encoders.values():
            encoder.requires_grad_(True)


def machine(run: Run, found: Crew) -> dict[str, Any]:
    """Return what is no part of the recipe and may change the last bits."""
    import torch

    return {
        "torch": torch.__version__,
        "device": found.device.split(":")[0],
        "processes": found.count,
        "threads": torch.get_num_threads(),
        "accumulate": run.config.accumulate,
        "attention": run.config.attention,
    }


def _restored(run: Run, learner: Learner, here: Mapping[str, Any], console: Console) -> int:
    """Put the learner where the newest whole checkpoint left it; return the steps done."""
    made, torn = checkpoint.newest(run.checkpoints, run.recipe)
    for name in torn:
        console.note(f"the checkpoint `{name}` is torn; the one before it is used")
    if made is None:
        return 0
    check_length(run, made.step)
    learner.restore(made.weights, made.optimizer, made.numbers)
    console.note(f"continues after step {made.step} of {run.steps}")
    for word, now in here.items():
        if made.machine.get(word) != now:
            console.note(
                f"{word}: {written(made.machine.get(word))} before, {written(now)} now; "
                "the last bits may differ"
            )
    return made.step


def _train(run: Run, task: Task, learner: Learner, done: int, console: Console) -> int | None:
    """Train to the end; return None, or the signal that a stop was asked for with."""
    found = task.crew
    with (
        _log(run, done, found) as metrics,
        console.progress("training", run.steps - done) as progress,
        stopping.stops(lambda: console.note("finishing the step and saving it")) as stop,
    ):
        watch = Watch(
            config=run.config,
            folder=run.checkpoints,
            recipe=run.recipe,
            steps=run.steps,
            per_epoch=run.per_epoch,
            machine=machine(run, found),
            learner=learner,
            crew=found,
            metrics=metrics,
            progress=progress,
            stop=stop,
            save=lambda step: _keep(run, task, step, console),
        )
        try:
            train(task, learner, done, run.steps, watch.after)
        except StoppedError:
            return stop.asked or signal.SIGTERM
    return None


@contextmanager
def _log(run: Run, done: int, found: Crew) -> Iterator[Metrics | None]:
    """Open the log in the process that writes, and clear away what a killed one left."""
    if not found.first:
        yield None
        return
    checkpoint.sweep(run.checkpoints)
    with Metrics.opened(run.folder / "metrics.jsonl", done) as metrics:
        yield metrics


def between(run: Run, step: int) -> Path:
    """Return the place of an export before the last one, named as kohya's scripts name theirs."""
    every = run.config.save_every_epochs
    epoch, rest = divmod(step, run.per_epoch)
    word = f"{epoch:06d}" if every and not rest and not epoch % every else f"step{step:08d}"
    return run.folder / f"{run.name}-{word}{run.export.suffix}"


def publish(run: Run, base: Base, path: Path, step: int) -> None:
    """Write the export of a step."""
    config = replace(run.config, steps=step)
    facts = Facts(
        name=run.name,
        recipe=run.recipe,
        base=run.base.rstrip("/\\").replace("\\", "/").rpartition("/")[2],
        base_digest=run.base_digest,
        base_hashes=run.base_hashes,
        version=program_version(),
        prediction=base.prediction,
    )
    about = metadata(run.data, config, run.family, facts)
    if config.method == "finetune":
        FORMS[config.save_as](path, base, run.found.path, about)
        return
    tensors = export.named(adapter.of_base(base), config.scale(), run.family.export_name)
    export.write(path, tensors, about, lambda made: proof.check_applied(made, base, run.family))


def _keep(run: Run, task: Task, step: int, console: Console) -> None:
    """Write export and samples of a step; what goes wrong with them does not end the training."""
    place = between(run, step)
    try:
        publish(run, task.base, place, step)
    except ProofError as error:
        console.wrong(str(error))
    _draw(run, task, place, console)


def _draw(run: Run, task: Task, beside: Path, console: Console) -> None:
    for line in draw_samples(run, task, beside):
        console.wrong(line)


def draw_samples(run: Run, task: Task, beside: Path) -> list[str]:
    """Draw the prompts that the person asked for, with fixed noise; see `sample.Drawer`.

    Each picture is `samples/<name of the export>-<number>-<seed>.png` in the run folder.

    Returns:
        A line for each that could not be drawn.
    """
    if run.config.prompts is None:
        return []
    from train.sample import Drawer
    from train.sampler import opened_vae

    prompts = read(run.config.prompts, usual_prompt(run))
    coder = opened_vae(run.found.path, task.base.device)
    drawer = Drawer(task.base, run.family, coder, prompts, run.config.clip_skip)
    return drawer.draw(run.folder / "samples" / beside.stem)


def usual_prompt(run: Run) -> Prompt:
    """Return a prompt of the size that most samples have."""
    width, height = usual_size(run.data)
    return Prompt("", width=width, height=height)


def _keep_shorter(run: Run) -> None:
    """Give the export of a run that was made longer the name of its step."""
    if run.export.exists():
        step = export.steps_of(run.export)
        run.export.replace(run.folder / f"{run.name}-step{step:08d}{run.export.suffix}")
