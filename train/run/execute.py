"""Carrying a run out: load, go on where it stopped, train, export."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from prep.models import vae_files
from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.stopping import patience
from prep.runtime.yaml_nodes import as_yaml
from train.config import Config
from train.data.batches import Batches
from train.data.text_states import StateFiles, TextCache
from train.export import lora_file
from train.families.diffusion_process import predicting
from train.families.family import Base
from train.run import checkpoint
from train.run.after_step import AfterStep
from train.run.decide import Run, check_length
from train.run.machine_check import check_machine
from train.run.memory_errors import memory_errors, spill_note
from train.run.memory_use import taken_and_there
from train.run.metrics import Metrics
from train.run.outputs import RunOutput, lacking, output, prompts
from train.run.publish_outputs import keep, publish_last
from train.run.read_ahead import read_ahead
from train.run.run_report import RunReport, following
from train.run.tensorboard_log import followed
from train.run.watch import measured_samples, watching
from train.samples.prompts import Prompt
from train.step import distributed
from train.step.compiled import compiling
from train.step.distributed import Processes
from train.step.fixed_noise import losses_at_fixed_noise
from train.step.kernels import kernels, make_ready
from train.step.loop import Step, Training, pace_of, train
from train.step.precision import keep_halved
from train.step.schedule import peak_of
from train.step.shards import shard, whole
from train.step.trainer import Trainer

_TEXTS = "texts"  # in the run folder: states of texts, until the run is done


def carry_out(run: Run, console: Console, report: RunReport) -> None:
    """Train up to the run's last step and publish its export.

    Args:
        report: Told of each step, where this process writes.

    Raises:
        UserError: Something that a person can mend.
        KeyboardInterrupt: Stopped by Ctrl-C; everything is saved.
        SystemExit: Stopped by SIGTERM, likewise.
    """
    shown = prompts(run)
    with (
        memory_errors(run.config),
        distributed.joined(run.config.device) as found,
        kernels(found.device, run.config.attention),
        compiling(run.config.compile),
    ):
        check_machine(run.config, found.device)
        if run.config.shard and found.count == 1:
            console.note("`--shard` has no effect: one process trains")
        training = opened(run, found)
        trainer = trainer_of(run, training.base)
        done = _restored(run, trainer, machine(run, found), console)
        read_ahead(run, training, done, console)
        _train(run, training, trainer, done, console, shown=shown, report=report)
        with whole(training.base):
            if found.first:
                publish_last(run, training, trainer, shown, console)
        found.wait()
        if found.first:
            shutil.rmtree(run.folder / _TEXTS, ignore_errors=True)


def try_again(run: Run, console: Console) -> None:
    """Make what the folder of a run that is done still lacks, where the weights for it are left.

    An export needs the checkpoint of its step; pictures need their export.

    Raises:
        UserError: Something that a person can mend.
    """
    from prep.models.devices import torch_device

    alone = Processes(torch_device(run.config.device))
    _sweep(run)
    with memory_errors(run.config), kernels(alone.device, run.config.attention):
        check_machine(run.config, alone.device)
        training = opened(run, alone)
        for one in lacking(run):
            if _has_weights(run, training, one):
                keep(run, training, one, console)
            else:
                console.wrong(
                    f"`{one.export.name}` cannot be made any more: its checkpoint is gone; to have "
                    f"done with it, delete `{lora_file.unproven(one.export)}`"
                )


def _has_weights(run: Run, training: Training, wish: RunOutput) -> bool:
    """Give the base model the weights of a step; return False where they are not left."""
    if wish.export.exists():
        run.method.apply(wish.export, training.base, run.family)
        return True
    made = checkpoint.of_step(run.checkpoints, wish.step, run.recipe)
    if made is not None:
        trainer = trainer_of(run, training.base)
        trainer.restore(made.weights, made.optimizer, made.numbers)
        trainer.rest()
    return made is not None


def trainer_of(run: Run, base: Base) -> Trainer:
    """Return the weights that learn, each at its rate."""
    rate_of = partial(peak_of, config=run.config, family=run.family, share=run.method.share)
    limit = run.method.limit(base, run.config)
    return Trainer(base.learning(), run.config, base.device.split(":")[0], rate_of, limit)


def opened(run: Run, found: Processes) -> Training:
    """Return the base model with what learns in it, and what it will be shown."""
    config = run.config
    base = run.family.load(run.found.path, found.device, run.method.precision(config))
    base = replace(base, process=predicting(base.process, config.prediction))
    run.method.attach(base, run.family, config)
    if (start := run.method.starts(config)) is not None:
        run.method.begin(start, base, run.family)
    keep_halved(base.learning().values(), config.full())
    make_ready(base, run.family, config)
    if config.shard:
        shard(base, found)
        found = replace(found, alike=True)
    space = vae_files.space_of(run.found.path)
    batches = Batches(run.data, config, space.scale, space.shift, run.family.told)
    states = TextCache(
        partial(
            run.family.encode,
            base,
            clip_skip=config.clip_skip,
            chunks=run.chunks,
            weighted=config.weighted_words,
        ),
        base.text_learns(),
        _state_files(run, found) if config.text_cache == "disk" else None,
    )
    alone = run.method.alone
    return Training(
        base, run.family, batches, states, found, pace_of(found),
        partial(alone, base) if alone else nullcontext, run.method.showing(base, config)
    )  # fmt: skip


def _state_files(run: Run, found: Processes) -> StateFiles:
    """Return where states of texts lie: those of this run, as this machine makes them.

    Base model, clip skip, chunks and precision are in the recipe, after which its folder is named.
    """
    here = {word: machine(run, found)[word] for word in ("torch", "device", "threads")}
    return StateFiles(run.folder / _TEXTS / files.digest_bytes(files.canonical(here).encode())[:16])


def machine(run: Run, found: Processes) -> dict[str, Any]:
    """Return what is no part of the recipe and may change the last bits."""
    import torch

    return {
        "torch": torch.__version__,
        "device": found.device.split(":")[0],
        "processes": found.count,
        "threads": torch.get_num_threads(),
        "attention": run.config.attention,
        "compile": run.config.compile,
        "tf32": found.device != "cpu",
    }


def _restored(run: Run, trainer: Trainer, here: Mapping[str, Any], console: Console) -> int:
    """Put the learner where the newest whole checkpoint left it; return the steps done."""
    made, torn = checkpoint.newest(run.checkpoints, run.recipe)
    for name in torn:
        console.note(f"the checkpoint `{name}` is torn; the one before it is used")
    if made is None:
        return 0
    check_length(run, made.step)
    trainer.restore(made.weights, made.optimizer, made.numbers)
    console.note(f"continues after step {made.step} of {run.steps}")
    for word, now in here.items():
        before = made.machine.get(word, False)  # an older program had fewer
        if before != now:
            console.note(
                f"{word}: {as_yaml(before)} before, {as_yaml(now)} now; the last bits may differ"
            )
    return made.step


def _train(
    run: Run,
    training: Training,
    trainer: Trainer,
    done: int,
    console: Console,
    *,
    shown: Sequence[Prompt],
    report: RunReport,
) -> None:
    """Train to the end, from step `done` on, with what was due after it and is not there."""
    found = training.processes
    with (
        _log(run, done, found) as metrics,
        watching(
            run.data,
            run.config,
            metrics,
            done,
            console,
            measure=partial(losses_at_fixed_noise, training),
            measure_textless=partial(losses_at_fixed_noise, training, textless=True),
        ) as seen,
        console.progress("training", run.steps - done) as progress,
        patience(lambda _: console.note("finishing the step and saving it")) as stop,
        following(run, done, found, report, console) as follow,
        ExitStack() as first_step,
    ):
        watch = AfterStep(
            config=run.config,
            folder=run.checkpoints,
            recipe=run.recipe,
            steps=run.steps,
            per_epoch=run.per_epoch,
            machine=machine(run, found),
            trainer=trainer,
            processes=found,
            metrics=metrics,
            progress=progress,
            stop=stop,
            publish=lambda step: keep(run, training, output(run, step, shown), console),
            whole=partial(whole, training.base),
            watch=seen,
            measured=any(measured_samples(run.data, run.config)),
            follow=follow,
        )
        watch.finish(done)

        if run.config.compile and found.count == 1:  # it takes minutes, and nothing is lost yet
            first_step.enter_context(stop.impatience())

        def after(step: Step) -> None:
            first_step.close()
            watch.after(step)
            if step.number == done + 2:  # by then it has taken all that it will take
                _tell_spill(run.config, found.device, console)

        train(training, trainer, done, run.steps, after, at_once=watch.at_once)


def _tell_spill(config: Config, device: str, console: Console) -> None:
    """Say where a GPU's driver gives memory of the machine in its place."""
    note = None if device == "cpu" else spill_note(*taken_and_there(device), config)
    if note:
        console.note(note)


def _sweep(run: Run) -> None:
    for folder in (run.folder, run.checkpoints, run.folder / "samples"):
        checkpoint.sweep(folder)


@contextmanager
def _log(run: Run, done: int, found: Processes) -> Iterator[Metrics | None]:
    """Open the log in the process that writes, and clear away what a killed one left."""
    if not found.first:
        yield None
        return
    _sweep(run)
    with Metrics.opened(run.folder / "metrics.jsonl", done) as metrics, ExitStack() as stack:
        if run.config.log == "tensorboard":
            metrics = stack.enter_context(followed(metrics, run.folder))
        yield metrics
