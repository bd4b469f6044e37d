"""What can be asked of settings, and of a run and its folder, before a training: a row each."""

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec

from prep.runtime import lock
from prep.runtime.errors import ConfigError, nearest
from train.adapters import adapter_file
from train.config import Config
from train.families.detect import check_clip_skip, check_prediction
from train.methods import method_named
from train.run import checkpoint, disk, run_folder
from train.run.base_checks import (
    check_blocks,
    check_family,
    check_form,
    check_preservation,
    check_prompts,
)
from train.run.decide import Run, check_buckets, check_length, check_vae, facts
from train.run.machine_check import check_packages
from train.samples import prompt_files
from train.samples.prompts import Prompt
from train.timestep_options import ranges_of


def of_settings(config: Config) -> Iterator[Callable[[], object]]:
    """Yield what can be asked of the settings alone."""
    yield partial(check_packages, config, lambda package: find_spec(package) is not None)
    yield partial(check_preservation, config)
    yield partial(_check_start_is_there, config)
    yield from of_prompts(config)


def of_prompts(config: Config) -> Iterator[Callable[[], object]]:
    """Yield how the file of prompts is read, where there is one."""
    if config.prompts is not None:
        yield partial(prompt_files.read, config.prompts, Prompt(""))


def of_run(run: Run, first: bool) -> Iterator[Callable[[], object]]:
    """Yield what can be asked of a run and its folder, for the process that writes it."""
    yield partial(check_vae, run)
    yield partial(check_buckets, run)
    yield partial(_check_concepts, run)
    yield partial(check_prompts, run)
    yield partial(check_family, run.config, run.family)
    yield partial(_check_start, run)
    yield partial(check_form, run.config, run.family)
    yield partial(check_blocks, run.config, run.family)
    yield partial(check_prediction, run.config.prediction, run.found.path, run.family)
    yield partial(
        check_clip_skip, run.config.clip_skip, run.family.layers(run.found.path), run.base
    )
    if first:
        yield partial(disk.check_writable, run.folder)
        yield partial(disk.check_room, run)
        yield partial(_check_saved, run)
        yield partial(_check_holder, run)
        yield partial(
            run_folder.check_version,
            run.config.out,
            run.name,
            facts(run),
            list(run.config.deciding()),
        )


def _check_concepts(run: Run) -> None:
    """Raise where timesteps are given for a concept that no sample is of."""
    concepts = sorted({one.concept for one in run.data.samples.values() if one.concept})
    for name in ranges_of(run.config.concept_timesteps):
        if name not in concepts:
            raise ConfigError(
                f"`--concept-timesteps` names `{name}`, and no sample is of that concept",
                nearest(name, concepts) if concepts else "give `--min-timestep`, `--max-timestep`",
            )


def _check_start_is_there(config: Config) -> None:
    """Raise where the file that a training is to go on from is not there."""
    start = method_named(config.method).starts(config)
    if start is not None and not start.is_file():
        raise adapter_file.absent(start)


def _check_start(run: Run) -> None:
    """Raise where the file that a training is to go on from does not fit, if it is there."""
    start = run.method.starts(run.config)
    if start is not None and start.is_file():
        shapes = disk.shapes_of(run.found.path, run.family)
        run.method.check_start(start, run.config, run.family, shapes)


def _check_saved(run: Run) -> None:
    """Raise where the run folder's checkpoints cannot be gone on with."""
    found, _ = checkpoint.newest_place(run.checkpoints, run.recipe)
    if found is not None:
        check_length(run, checkpoint.step_of(found))


def _check_holder(run: Run) -> None:
    error = lock.holder(run.checkpoints, run.folder)
    if error is not None:
        raise error
