"""A run from dataset files to an export: checks, recipe, folder, loop, file."""

import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prep import files, single_file, vae
from prep.console import Console
from prep.errors import DatasetError, MachineError, ModelFileError, nearest
from prep.models import Ask, Found, Models
from train import data as datasets
from train import export
from train.config import Config, safe_name
from train.data import Data
from train.families import all_families
from train.family import Family

# Raised by hand whenever the same recipe gives other bytes.
VERSION = 2


@dataclass(frozen=True)
class Run:
    """A run that is decided and not yet carried out.

    Attributes:
        found: The base model's files.
        base: The base model as it was named.
        base_digest: SHA-256 over the base model's files.
        recipe: SHA-256 of everything that decides the export's bytes.
        folder: Of its config, metrics and export.
        export: The LoRA.
    """

    data: Data
    config: Config
    family: Family
    found: Found
    base: str
    base_digest: str
    recipe: str
    name: str
    folder: Path
    export: Path


def decide(paths: Sequence[Path], config: Config, models: Models) -> Run:
    """Return the run that dataset files and settings ask for. Nothing is written, no torch loaded.

    Raises:
        DatasetError: A dataset cannot be trained on.
        ModelFileError: The base model is missing, damaged, or of a family that is not known.
    """
    data = datasets.load(paths)
    base = config.base or data.base
    if base is None:
        raise DatasetError(
            f"`{paths[0].name}` names no base model",
            "name one: `--base FOLDER`, a hub id or `tiny`",
        )
    families = all_families()
    patterns = sorted({pattern for one in families.values() for pattern in one.patterns})
    found = models.find(Ask("base", base, tuple(patterns), ckpt=True))
    family = _family(found, families)
    base_digest = models.digest(found)
    recipe = files.digest_bytes(
        files.canonical(
            {
                "method": "lora",
                "version": VERSION,
                "family": family.name,
                "base": base_digest,
                "config": config.deciding(),
                "data": data.content(),
                "held_out": data.held_out,
            }
        ).encode()
    )
    name = config.name or safe_name(data.name)
    folder = config.out / f"{name}-{recipe[:8]}"
    target = folder / f"{name}.safetensors"
    return Run(data, config, family, found, base, base_digest, recipe, name, folder, target)


def lora(paths: Sequence[Path], config: Config, models: Models, console: Console) -> Path:
    """Train a LoRA, or find it already trained, and return its file.

    Killed at any moment, the file is whole or absent, and the same call begins again.

    Raises:
        UserError: Something that a person can mend, found before the training where possible.
    """
    run = decide(paths, config, models)
    if _is_done(run):
        console.say(f"already done: {run.export}", export=str(run.export), done=True)
        return run.export
    for line in check_vae(run):
        console.note(line)
    files.write(run.folder / "config.json", _config_file(run, paths))
    _carry_out(run, console)
    console.say(f"trained: {run.export}", export=str(run.export), done=False)
    return run.export


def check_vae(run: Run) -> list[str]:
    """Return what a person should know of the VAEs that made the latents: one line each at most.

    Raises:
        DatasetError: Channels, scale or shift are not those of the base model.
    """
    own = vae.numbers(run.found.path, run.base)
    notes: list[str] = []
    for file, made in run.data.vaes.items():
        for word, ours, theirs in (
            ("channels", own.channels, made.channels),
            ("scaling factor", own.scaling_factor, made.scaling_factor),
            ("shift factor", own.shift_factor, made.shift_factor),
        ):
            if ours != theirs:
                raise DatasetError(
                    f"the latents of `{file}` were made with the {word} {theirs}, "
                    f"`{run.base}` has {ours}",
                    f"make them with its own VAE: `prep latents --model {run.base}`",
                )
        if made.digest != own.digest:
            notes.append(f"the latents of `{file}` were made with another VAE: `{made.name}`")
    return notes


def _family(found: Found, families: dict[str, Family]) -> Family:
    name = found.ask.name
    for family in families.values():
        if family.fits(found.path):
            if found.path.is_dir():
                _check_parts(found, family)
            return family
    if found.path.is_file():
        what = single_file.what(single_file.names(found.path))
        raise ModelFileError(
            f"`{name}` is {what}, not a base model of a known family", nearest("", families)
        )
    raise ModelFileError(f"`{name}` is not a base model of a known family", nearest("", families))


def _check_parts(found: Found, family: Family) -> None:
    """Raise where a part that the family names is not among the files."""
    for pattern in family.patterns:
        if not any(file.match(pattern) for file, _, _ in found.files):
            raise ModelFileError(
                f"`{found.ask.name}` has no `{pattern}`",
                "fetch it again, with every part of a diffusers folder as safetensors",
            )


def _is_done(run: Run) -> bool:
    """Return whether the export of this very recipe is there; another file there is a person's."""
    if not run.export.exists():
        return False
    if export.recipe_of(run.export) == run.recipe:
        return True
    raise MachineError(
        f"`{run.export}` is not the export of this run", "move it away, or choose another `--name`"
    )


def _config_file(run: Run, paths: Sequence[Path]) -> bytes:
    """Return the run's settings after defaults, as they stand beside its export."""
    facts: dict[str, Any] = {
        "method": "lora",
        "recipe": run.recipe,
        "version": VERSION,
        "program": program_version(),
        "family": run.family.name,
        "base": run.base,
        "base_digest": run.base_digest,
        "name": run.name,
        "device": run.config.device,
        "datasets": [str(path) for path in paths],
        "samples": len(run.data.lessons),
        "held_out": run.data.held_out,
    }
    return (json.dumps(facts | run.config.deciding(), indent=1, ensure_ascii=False) + "\n").encode()


def program_version() -> str:
    """Return the version of the installed program."""
    return importlib.metadata.version("prep-and-train")


def _carry_out(run: Run, console: Console) -> None:
    """Load, train and export; the heavy imports of a run happen in here."""
    from prep.devices import torch_device
    from train import lora as adapter
    from train.loop import Feed, train
    from train.metrics import Metrics

    device = torch_device(run.config.device)
    base = run.family.load(run.found.path, device)
    texts = sorted({lesson.text for lesson in run.data.lessons.values()})
    cut = run.family.overlong(base, texts)
    if cut:
        console.note(f"{len(cut)} of {len(texts)} texts are too long; their ends are not trained")
    states = dict(zip(texts, run.family.encode(base, texts), strict=True))
    numbers = vae.settings(run.found.path)
    feed = Feed(run.data, states, numbers["scaling_factor"], numbers["shift_factor"])
    adapter.adapt(base, run.family, run.config)
    with (
        Metrics.opened(run.folder / "metrics.jsonl", run.config.learning_rate) as metrics,
        console.progress("training", run.config.steps) as progress,
    ):

        def on_step(step: int, loss: float) -> None:
            metrics.add(step, loss)
            progress.advance()

        train(base, run.family, feed, run.config, on_step)
    tensors = export.named(adapter.of_base(base), run.config.scale(), run.family.export_name)
    facts = {
        "name": run.name,
        "recipe": run.recipe,
        "base_digest": run.base_digest,
        "version": program_version(),
    }
    about = export.metadata(run.data, run.config, run.family, facts, base.prediction)
    export.write(run.export, tensors, about)
