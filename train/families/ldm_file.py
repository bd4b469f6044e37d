"""Base models in one file (LDM layout), opened for training."""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from prep.models import file_layouts, single_file
from prep.models.file_layouts import Layout
from prep.models.file_widths import config
from prep.models.tokenizer import shipped_tokenizer
from prep.runtime.errors import ModelFileError
from train.families import file_marks
from train.families.diffusion_process import Diffusion, diffusion_of
from train.families.noise_process import Process

_WORDS = 49408  # entries of CLIP's vocabulary
_CHANNELS = 4
_ROUNDING = 1e-6
# What training code is known to leave behind: averages, tables of noise.
_LEFT = ("model_ema.", "alphas_cumprod", "betas", "sqrt_", "log_one_minus", "posterior_")
_LEFT_WHOLE = ("logvar", "lvlb_weights", "denoiser.sigmas", *file_marks.MARKS)


@dataclass(frozen=True)
class LdmFile:
    """How a family is read from one file; what a file leaves out ships with the package."""

    layout: Layout

    def fits(self, place: Path) -> bool:
        """Return whether a file is a model of the family; names only."""
        return file_layouts.layout_of(single_file.names(place)) is self.layout

    def part(self, place: Path, part: str, kind: str, dtype: str | None) -> Any:
        """Return the U-Net or a text encoder, by the name of its folder.

        Args:
            kind: Its class, as `transformers.CLIPTextModel`.
            dtype: Of the weights; None for a module on the meta device, without weights.

        Raises:
            ModelFileError: The file is damaged, or the part is not that of the family.
        """
        import torch

        tensors = single_file.state(place, self.layout, part, shapes_only=dtype is None)
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        with torch.device("meta"):
            module = _built(kind, config(self.layout, part, shapes), place)
        wanted = dict(module.state_dict())
        found = {_own(name, wanted): tensor for name, tensor in tensors.items()}
        if dtype is not None:
            # Copies: a tensor's address in a mapped file would decide the last bits of a product.
            as_kind = getattr(torch, dtype)
            found = {name: tensor.to(as_kind, copy=True) for name, tensor in found.items()}
        single_file.fill(module, found, place)
        if dtype is not None:
            _count_positions(module)
        return module

    def tokenizer(self, folder: str) -> Any:
        """Return a tokenizer, of the words that ship with the package."""
        return shipped_tokenizer(self.layout.padding.get(folder))

    def process(self, place: Path) -> Diffusion:
        """Return the process; see `file_marks`."""
        with _scheduler(self.layout) as folder:
            return file_marks.process(place, self.layout, folder)

    def unread(self, place: Path, modules: Mapping[str, Any]) -> list[str]:
        """Return the tensors of a file that are of no part and no leftover of a training.

        Args:
            modules: Its U-Net and text encoders by the names of their folders.
        """
        if place.suffix.lower() != ".safetensors":
            return []
        known = {*_LEFT_WHOLE}
        for part, module in modules.items():
            known |= self.layout.to_file(part, module.state_dict()).keys()
            # Some old files lack it.
            known |= {name.replace("text_model.", "") for name in known}
        before = (*_LEFT, self.layout.mark("vae"))
        strange = [n for n in single_file.names(place) if n not in known]
        return [name for name in strange if not name.startswith(before)]

    def layers(self, place: Path) -> int:
        """Return how many layers the first text encoder has; names only."""
        part = next(iter(self.layout.encoders))
        names = single_file.names(place)
        used = [name for name in names if self.layout.is_used(part, name)]
        shapes = self.layout.shapes(part, dict.fromkeys(used, (3,)))
        found = [name.split(".") for name in shapes]
        return len({words[2] for words in found if words[:2] == ["encoder", "layers"]})


@contextmanager
def _scheduler(layout: Layout) -> Iterator[Path]:
    with resources.as_file(file_layouts.shipped(layout.name)) as folder:
        yield folder / "scheduler"


def keeps_process(layout: Layout, process: Process) -> bool:
    """Return whether a single file with the marks of a process is read back with that process."""
    if not isinstance(process, Diffusion):
        return False
    with _scheduler(layout) as folder:
        found = diffusion_of(folder, process.prediction, process.ends_in_noise())
    same = len(found.alpha_bar_T) == len(process.alpha_bar_T)
    return same and bool((found.alpha_bar_T - process.alpha_bar_T).abs().max() < _ROUNDING)


def _built(kind: str, facts: dict[str, Any], place: Path) -> Any:
    """Return a module of these settings, on the device of the context."""
    room, _, name = kind.rpartition(".")
    found: Any = getattr(importlib.import_module(room), name)
    if room == "diffusers":
        _check_channels(facts["in_channels"], place)
        return found.from_config(facts)
    _check_words(facts["vocab_size"], place)
    return found(found.config_class(**facts))


def _check_channels(channels: int, place: Path) -> None:
    if channels != _CHANNELS:
        raise ModelFileError(
            f"the U-Net in `{place}` takes {channels} channels, one that draws from text alone "
            f"{_CHANNELS}",
            "name a base model that is not made for inpainting",
        )


def _check_words(words: int, place: Path) -> None:
    if words != _WORDS:
        raise ModelFileError(
            f"the text encoder in `{place}` knows {words} words, CLIP {_WORDS}",
            "name a diffusers folder: it has a tokenizer of its own",
        )


def _own(name: str, wanted: Mapping[str, Any]) -> str:
    """Return a tensor's name in its module: with a projection the network is one level down."""
    deeper = f"text_model.{name}"
    return deeper if deeper in wanted else name


def _count_positions(module: Any) -> None:
    """Make what a config implies and no file holds, positions, off the meta device."""
    import torch

    for name, buffer in list(module.named_buffers()):
        if buffer.is_meta:
            owner, _, last = name.rpartition(".")
            value = torch.arange(buffer.shape[-1]).expand(buffer.shape)
            module.get_submodule(owner).register_buffer(last, value, persistent=False)
