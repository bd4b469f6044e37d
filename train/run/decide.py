"""A run from dataset files to an export: checks, recipe, folder, loop, file."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prep.models import vae_files
from prep.models.locate import FoundModel, Models
from prep.runtime import files
from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError, DatasetError, MachineError, ModelFileError
from train.config import CHUNK_TOKENS, Config, safe_name
from train.config_checks import with_steps
from train.data import dataset as datasets
from train.data.balance import balanced
from train.data.captions import longest_of_all
from train.data.dataset import Data
from train.data.held_out import without_held_out
from train.data.order import parts_of_epoch, steps_per_epoch
from train.export import lora_file
from train.export.rounding import precision_of
from train.families.detect import hashes, last_part, opened_base
from train.families.family import Family
from train.methods import method_named
from train.methods.method import Method
from train.run import run_folder
from train.run.recipe_versions import version_of


@dataclass(frozen=True)
class Run:
    """A run that is decided and not yet carried out.

    Attributes:
        config: The settings with their number of steps.
        per_epoch: Steps of an epoch.
        found: The base model's files.
        base: The base model as it was named.
        base_digest: SHA-256 over the base model's files.
        base_hashes: What WebUIs know a base model's single file by; see `metadata.Facts`.
        recipe: SHA-256 of everything that decides the weights after each step.
        folder: Of its config, metrics, checkpoints and exports.
        export: The LoRA.
        chunks: Into how many chunks of 75 tokens texts are cut.
    """

    data: Data
    config: Config
    per_epoch: int
    family: Family
    found: FoundModel
    base: str
    base_digest: str
    recipe: str
    name: str
    folder: Path
    export: Path
    base_hashes: Mapping[str, str]
    chunks: int

    @property
    def base_name(self) -> str:
        """The base model's name without the folders that it lies in."""
        return last_part(self.base)

    @property
    def method(self) -> Method:
        """The method of training."""
        return method_named(self.config.method)

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.config.steps or 0

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.folder / run_folder.CHECKPOINTS


def decide(paths: Sequence[Path], config: Config, models: Models, precision: str = "fp32") -> Run:
    """Return the run that dataset files and settings ask for. Nothing is written, no torch loaded.

    Args:
        precision: What `--precision auto` is on this machine.

    Raises:
        DatasetError: A dataset cannot be trained on.
        ModelFileError: The base model is missing, damaged, or of a family that is not known.
        ConfigError: The settings do not fit the data, or `resume` names another run.
    """
    data = without_held_out(datasets.load(paths, config.masked_loss), config)
    data = balanced(data) if config.balance_regularisation else data
    per_epoch = steps_per_epoch(data.repeats(), config.batch, config.accumulate)
    config = with_steps(config, per_epoch).settled(precision)
    config, data = method_named(config.method).settled(config, data)
    base = config.base or data.base
    if base is None:
        raise DatasetError(
            f"`{paths[0].name}` names no base model",
            "name one: `--base` and a folder, a single file, a hub id or `tiny`",
        )
    found, family = opened_base(base, models)
    base_digest = models.digest(found)
    chunks = _chunks(config, data, family, found.path)
    recipe = _recipe(config, data, family, base_digest, chunks)
    name = config.name or safe_name(data.name)
    folder = config.out / f"{name}-{recipe[:8]}"
    run = Run(
        data, config, per_epoch, family, found, base, base_digest, recipe, name, folder,
        folder / f"{name}{method_named(config.method).ending(config)}", hashes(found, models),
        chunks,
    )  # fmt: skip
    return run if config.resume is None else _resumed(run, config.resume)


def _chunks(config: Config, data: Data, family: Family, place: Path) -> int:
    """Return into how many chunks of 75 tokens texts are cut.

    Where no text has more bytes than that, none has more tokens, and nothing is opened.
    """
    method = method_named(config.method)
    longest = longest_of_all(list(data.samples.values()), config)
    texts = [method.counted(text, config) for text in longest]
    if config.chunks() == 1 or all(len(text.encode()) <= CHUNK_TOKENS for text in texts):
        return 1
    return min(config.chunks(), family.chunks_at(place, texts))


def _recipe(config: Config, data: Data, family: Family, base_digest: str, chunks: int) -> str:
    """Return the digest of everything that decides the weights after each step."""
    parts = parts_of_epoch(data.repeats())
    told = {key: dict(family.sizes(one.sizes)) for key, one in data.samples.items()}
    found = {
        "version": version_of(config, data, family, chunks),
        "family": family.name,
        "base": base_digest,
        "config": config.deciding(),
        "data": data.content(),
        "held_out": data.held_out,
        "triggers": list(data.triggers),
    }
    found |= {"parts of an epoch": parts} if parts > 1 else {}
    found |= {"sizes": told} if any(told.values()) else {}
    found |= {"chunks": chunks} if chunks > 1 else {}
    if (start := method_named(config.method).starts(config)) is not None:
        found["start"] = files.digest(start) if start.is_file() else ""
    found |= {"captions": several} if (several := data.captions()) else {}
    found |= {"masks": masks} if (masks := data.masks()) else {}
    found |= {"callers": data.callers()} if config.prior_prediction else {}
    return files.digest_bytes(files.canonical(found).encode())


def _resumed(run: Run, folder: Path) -> Run:
    """Return a run in the folder that `--resume` names."""
    name = str(run_folder.asked(folder, facts(run), list(run.config.deciding()))["name"])
    return replace(
        run, name=name, folder=folder, export=folder / f"{name}{run.method.ending(run.config)}"
    )


def check_vae(run: Run) -> list[str]:
    """Return what a person should know of the VAEs that made the latents: one line each at most.

    Raises:
        DatasetError: They are for another latent space than the base model's.
        ModelFileError: The base model's own VAE does not fit its network.
    """
    own = vae_files.numbers(run.found.path, run.base)
    wanted = run.family.space.channels
    if own.channels != wanted:
        raise ModelFileError(
            f"the VAE of `{run.base}` gives {own.channels} channels, its network takes {wanted}",
            "fetch its files again",
        )
    notes: list[str] = []
    for file, made in run.data.vaes.items():
        if made.space() != own.space():
            raise DatasetError(
                f"the latents of `{file}` are of another latent space than that of `{run.base}`: "
                f"{made.space().described()}, not {own.space().described()}",
                f"make them with its own VAE: `prep latents META --model {run.base}`",
            )
        if made.digest != own.digest:
            notes.append(f"the latents of `{file}` were made with another VAE: `{made.name}`")
    return notes


def check_buckets(run: Run) -> None:
    """Raise DatasetError where a bucket has a side that models of the family do not take."""
    step = run.family.side_step
    for key, one in {**run.data.samples, **run.data.validation}.items():
        if any(side % step for side in one.bucket):
            width, height = one.bucket
            raise DatasetError(
                f"the bucket of `{key}` is {width}x{height} px; models of the kind "
                f"`{run.family.name}` take multiples of {step} px",
                f"make the buckets again with `--step {step}`, then the latents",
            )


def is_done(run: Run) -> bool:
    """Return whether the export of this very recipe is there; another file there is a person's.

    One of another precision is written again, from the last checkpoint.

    Raises:
        MachineError: A file of another recipe is in its place.
        ConfigError: It has more steps than are asked for.
    """
    if not run.export.exists():
        return False
    if lora_file.recipe_of(run.export) != run.recipe:
        raise MachineError(
            f"`{run.export}` is not the export of this run",
            "move it away, or choose another `--name`",
        )
    done = lora_file.steps_of(run.export)
    check_length(run, done)
    return done == run.steps and is_precise(run)


def is_precise(run: Run) -> bool:
    """Return whether the export that is there has the precision that is asked for."""
    return precision_of(run.export, run.family.network) == run.config.save_precision


def check_length(run: Run, done: int) -> None:
    """Raise ConfigError where a run has done more steps than it is asked for."""
    if done > run.steps:
        raise ConfigError(
            f"`{run.folder}` has done {counted(done, 'step')} already, and "
            f"{run.steps} {'is' if run.steps == 1 else 'are'} asked for",
            "ask for more steps, or begin another run with `--name`",
        )


def facts(run: Run) -> dict[str, Any]:
    """Return what decides a run, as it stands in `config.json`."""
    return {
        "recipe": run.recipe,
        "version": version_of(run.config, run.data, run.family, run.chunks),
        "program": program_version(),
        "family": run.family.name,
        "base": run.base,
        "base_digest": run.base_digest,
        "data_digest": files.digest_bytes(files.canonical(run.data.content()).encode()),
        "samples": len(run.data.samples),
        "held_out": run.data.held_out,
        "steps_per_epoch": run.per_epoch,
    } | run.config.deciding()


def program_version() -> str:
    """Return the version of the installed program."""
    return importlib.metadata.version("prep-and-train")
