"""The parts of a base model in a diffusers folder: their files, classes and modules."""

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from train.families.noise_process import Diffusion


class SingleFile(Protocol):
    """How a family is read from one file."""

    def fits(self, place: Path) -> bool:
        """Return whether a file is a model of the family; names only."""

    def part(self, place: Path, part: str, dtype: str | None) -> Any:
        """Return the U-Net or a text encoder, by the name of its folder.

        Args:
            dtype: Of the weights; None leaves them in the file, as they are there.
        """

    def tokenizer(self, folder: str) -> Any:
        """Return a tokenizer that ships with the package."""

    def process(self, place: Path) -> Diffusion:
        """Return the process."""

    def unread(self, place: Path) -> list[str]:
        """Return the tensors that are of no part and no leftover of a training."""

    def layers(self, place: Path) -> int:
        """Return how many layers the first text encoder has; names only."""


def weights_of(part: str) -> str:
    """Return the name of a part's file of weights in a diffusers folder."""
    text = part.startswith("text_encoder")
    return f"{'model' if text else 'diffusion_pytorch_model'}.safetensors"


def files_of(parts: Iterable[str], tokenizers: Iterable[str]) -> tuple[str, ...]:
    """Return the files of some parts and tokenizers, relative to a diffusers folder."""
    each = [f"{part}/{name}" for part in parts for name in ("config.json", weights_of(part))]
    return (*each, *(f"{folder}/*" for folder in tokenizers))


def tokenizer_of(encoder: str) -> str:
    """Return the folder of a text encoder's tokenizer."""
    return encoder.replace("text_encoder", "tokenizer")


def class_of(path: str) -> Any:
    """Return a class of diffusers or transformers by its name, `transformers.CLIPTextModel`."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def built(path: str) -> Callable[[Path], Any]:
    """Return what makes a module of a class from its folder's config."""

    def made(folder: Path) -> Any:
        kind = class_of(path)
        if hasattr(kind, "load_config"):
            return kind.from_config(kind.load_config(str(folder)))
        return kind(kind.config_class.from_pretrained(str(folder)))

    return made


def plain_name(path: str) -> Any:
    """Return what makes a name in a file that of the class: one has dropped `text_model`."""
    plain = path == "transformers.CLIPTextModel"
    return str if not plain else lambda name: name.removeprefix("text_model.")
