"""What `train sample` draws: LoRAs on a base model, or a whole model alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from prep.models import file_layouts, safetensors_file, single_file
from prep.runtime.errors import ConfigError, ModelFileError, UsageError
from train.adapters import lora_metadata
from train.adapters.file_kinds import LORA, kind_of
from train.adapters.run_exports import config_of_run, export_of
from train.families.detect import last_part

_STRENGTH = re.compile(r"(.+):([+-]?(?:\d+\.?\d*|\.\d+))")
_ENDING = re.compile(r"(.+):([^:/\\]*)")
_MOST_STRENGTH = 100
_WHAT = (
    "name LoRAs (`.safetensors`), or a model: a folder, a single file, a hub id `owner/name` or "
    "`tiny`"
)


@dataclass(frozen=True)
class Subject:
    """What is drawn.

    Attributes:
        loras: Their files, embeddings among them, each with how strongly it acts beside the others.
        model: A whole model as it was named, drawn alone; empty where there are LoRAs.
    """

    loras: tuple[tuple[Path, float], ...] = ()
    model: str = ""

    @property
    def name(self) -> str:
        """Its name, for files that show it."""
        if self.loras:
            return "+".join(path.stem for path, _ in self.loras)
        plain = last_part(self.model)
        ending = next((end for end in (".safetensors", ".ckpt") if plain.endswith(end)), "")
        return plain.removesuffix(ending) or "model"

    def shown(self) -> list[tuple[Path, str, float]]:
        """Return each LoRA once: its file, name and strength; one named twice adds its strengths.

        A name is that of its file without the ending, with folders where others have that name.
        """
        each: dict[Path, float] = {}
        for path, strength in self.loras:
            each[path.absolute()] = each.get(path.absolute(), 0.0) + strength
        names = _told_apart([path.with_suffix("").parts for path in each])
        return [(path, name, one) for (path, one), name in zip(each.items(), names, strict=True)]

    @property
    def names(self) -> tuple[str, ...]:
        """What a person calls each of its files."""
        return tuple(path.name for path, _ in self.loras) or (self.model,)

    @property
    def first(self) -> str:
        """The first of what a person named."""
        return self.model or str(self.loras[0][0])

    @property
    def folder(self) -> Path:
        """Where a sheet of it goes, unless a person says otherwise: beside it."""
        place = self.loras[0][0] if self.loras else Path(self.model).expanduser()
        return place.parent if place.exists() else Path()

    @cached_property
    def metadata(self) -> tuple[dict[str, str], ...]:
        """What each of its files says of itself.

        Raises:
            ModelFileError: One of them is damaged.
        """
        places = [path for path, _ in self.loras] or [Path(self.model).expanduser()]
        return tuple(dict(lora_metadata.said(place)) for place in places)

    def base(self) -> str:
        """Return the model itself, or the base model that the run folder of a LoRA names.

        Raises:
            ConfigError: No LoRA is in its run folder any more.
        """
        if self.model:
            return self.model
        for path, _ in self.loras:
            found = config_of_run(path.parent)
            if "base" in found:
                return str(found["base"])
        raise ConfigError(
            f"the base model of `{self.first}` is not known: it is not in its run folder",
            "name it: `--base` and a folder, a single file, a hub id or `tiny`",
        )


def subject_of(words: Sequence[str]) -> Subject:
    """Return what the words behind `train sample` name: `a.safetensors b.safetensors:0.6`, a model.

    A run folder is its export.

    Raises:
        ModelFileError: A file that is named is not there, is no LoRA and no model, or is damaged,
            or a run is not finished.
        UsageError: A strength is no number, or a model is named beside others.
    """
    found = [_named(word) for word in words]
    models = [one for one in found if isinstance(one, str)]
    if models and len(words) > 1:
        raise UsageError(
            f"`{models[0]}` is a whole model, and it is named beside others",
            "LoRAs are drawn on a model: name it by `--base`; a model is drawn alone",
        )
    if models:
        return Subject(model=models[0])
    return Subject(tuple(one for one in found if not isinstance(one, str)))


def _told_apart(each: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the shortest end of each path, given in parts, that no other of them has."""
    found = []
    for own in each:
        others = [other for other in each if other != own]
        ends = (own[-n:] for n in range(1, len(own)))
        free = (end for end in ends if all(one[-len(end) :] != end for one in others))
        found.append("/".join(next(free, own)))
    return found


def _named(word: str) -> tuple[Path, float] | str:
    """Return a LoRA's file and strength, or the name of a model."""
    path, strength = Path(word).expanduser(), 1.0
    if (given := _STRENGTH.fullmatch(word)) and not path.exists():
        path, strength = Path(given[1]).expanduser(), float(given[2])
    elif (end := _ENDING.fullmatch(word)) and not path.exists() and Path(end[1]).exists():
        raise UsageError(
            f"the strength `{end[2]}` is no number", f"write it as `{Path(end[1]).name}:0.6`"
        )
    path = export_of(path)
    lora = kind_of(path) is LORA  # or it is something else
    if lora and (path.suffix.lower() != ".safetensors" or path.is_dir()):
        if not (path.exists() or word == "tiny" or word.count("/") == 1):
            raise ModelFileError(f"there is nothing to draw at `{word}`", _WHAT)
        if path.is_file() and path.suffix.lower() not in single_file.SUFFIXES:
            raise ModelFileError(f"`{path}` is no LoRA and no model", _WHAT)
        return str(path) if path.exists() else word
    if lora and path.is_file() and _is_model(path):
        return str(path)
    kind_of(path).check(path)
    _check_strength(word, path, strength)
    return path, strength


def _check_strength(word: str, path: Path, strength: float) -> None:
    """Raise UsageError where a file cannot act so strongly."""
    called = kind_of(path).called(path)
    if strength != 1 and called:
        raise UsageError(
            f"`{word}` is an embedding, and those have no strength",
            f"weigh its word in the prompt: `({called.word}:{strength:g})`",
        )
    if abs(strength) > _MOST_STRENGTH:
        raise UsageError(
            f"the strength of `{word}` is too large", f"give -{_MOST_STRENGTH} to {_MOST_STRENGTH}"
        )


def _is_model(path: Path) -> bool:
    """Return whether a file holds a whole model; that of a kind that is not known is told later."""
    what = file_layouts.what(safetensors_file.header(path).tensors.keys())
    return what.endswith("model")
