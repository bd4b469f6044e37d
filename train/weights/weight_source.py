"""A file of weights, or a diffusers folder, as tensors that are read when they are asked for.

A pickle is opened by the guarded reader of `prep/models/pickle_file.py` alone: nothing in it runs.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models import pickle_file, safetensors_file
from prep.models.safetensors_file import TensorSpan
from prep.models.safety import check_safetensors
from prep.runtime.errors import ModelFileError
from train.adapters import lora_metadata
from train.adapters.run_exports import export_of
from train.families.peft_metadata import config_in
from train.weights.number_words import bytes_of, decoded

if TYPE_CHECKING:
    from torch import Tensor

    from train.weights.number_words import Numbers

PICKLES = (".ckpt", ".pt", ".pth", ".bin")
_PIECE = 1 << 18  # numbers that are looked at together: they fit a cache
_WHAT = "name a `.safetensors` file, a `.ckpt`, or a diffusers folder"


@dataclass(frozen=True)
class WeightSource:
    """Tensors by name, and what reads them.

    Attributes:
        place: The file or folder.
        tensors: Sorted; in a folder each name begins with its part's and a dot.
        metadata: What it says of itself.
        piece: (name, first byte, last byte behind) -> those bytes of a tensor.
        files: Those that were opened.
        is_pickle: Whether it came out of one.
    """

    place: Path
    tensors: Mapping[str, TensorSpan]
    metadata: Mapping[str, str]
    piece: Callable[[str, int, int], bytes | memoryview]
    files: tuple[Path, ...] = field(default=())
    is_pickle: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it is a diffusers folder."""
        return self.place.is_dir()

    @cached_property
    def peft_config(self) -> Mapping[str, Any]:
        """What diffusers keeps of a LoRA's alphas among metadata; empty where it did not."""
        return config_in(self.metadata)

    def count(self, name: str) -> int:
        """Return how many numbers a tensor has."""
        return prod(self.tensors[name].shape)

    def size(self, name: str) -> int:
        """Return how many bytes a tensor has."""
        return self.tensors[name].end - self.tensors[name].start

    def data(self, name: str) -> Iterator[bytes | memoryview]:
        """Yield a tensor's bytes in pieces."""
        step, size = 16 * _PIECE, self.size(name)
        for start in range(0, size, step):
            yield self.piece(name, start, min(start + step, size))

    def numbers(self, name: str) -> "Iterator[Numbers]":
        """Yield a tensor's numbers in flat pieces; see `decoded`."""
        dtype, size = self.tensors[name].dtype, self.size(name)
        step = _PIECE * bytes_of(dtype)
        for start in range(0, size, step):
            yield decoded(self.piece(name, start, min(start + step, size)), dtype)

    def whole(self, name: str) -> "Numbers":
        """Return all of a tensor in its shape, float64."""
        import numpy as np

        at = self.tensors[name]
        data = self.piece(name, 0, self.size(name))
        return decoded(data, at.dtype).astype(np.float64).reshape(at.shape)


def opened(place: Path) -> WeightSource:
    """Open a file of weights, a diffusers folder, or what a run folder has exported.

    Raises:
        ModelFileError: It is missing, damaged, no file of weights, or a pickle of other things.
    """
    place = export_of(place)
    if not place.exists():
        broken = "a link to something that is not there" if place.is_symlink() else ""
        raise ModelFileError(
            f"`{place}` is {broken}" if broken else f"there is no `{place}`", _WHAT
        )
    try:
        return _opened(place)
    except PermissionError as error:
        raise ModelFileError(
            f"`{error.filename or place}` cannot be read: {error.strerror}",
            "give your user permission to read it and the folders above it",
        ) from error


def _opened(place: Path) -> WeightSource:
    if place.is_dir():
        return _of_folder(place)
    if place.suffix.lower() in PICKLES:
        return _of_pickle(place)
    if place.suffix.lower() != ".safetensors":
        raise ModelFileError(f"`{place}` is no file of weights by its name", _WHAT)
    return _of_file(place)


def _of_file(path: Path) -> WeightSource:
    check_safetensors(path)
    head = safetensors_file.header(path)
    places = {name: (at, path) for name, at in head.tensors.items()}
    return WeightSource(path, head.tensors, head.metadata, _reader(places), (path,))


def _of_folder(folder: Path) -> WeightSource:
    """Open every file of weights in the parts of a diffusers folder, or of one part alone."""
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("*/*.safetensors")])
    if not (folder / "model_index.json").is_file() and not (folder / "config.json").is_file():
        raise ModelFileError(f"`{folder}` is not a diffusers folder", _WHAT)
    if not files:
        raise ModelFileError(
            f"`{folder}` has no `.safetensors` in its parts",
            "fetch it again, with every part of a diffusers folder as safetensors",
        )
    places: dict[str, tuple[TensorSpan, Path]] = {}
    for file in files:
        before = "" if file.parent == folder else f"{file.parent.name}."
        for name, at in safetensors_file.header(file).tensors.items():
            if before + name in places:
                other = places[before + name][1]
                raise ModelFileError(
                    f"`{file}` and `{other}` both hold `{name}`",
                    "keep one of them: which one readers take is not known",
                )
            places[before + name] = (at, file)
    spans = {name: at for name, (at, _) in sorted(places.items())}
    said = lora_metadata.said(folder)
    return WeightSource(folder, spans, said, _reader(places), tuple(files))


def _reader(
    places: Mapping[str, tuple[TensorSpan, Path]],
) -> Callable[[str, int, int], bytes | memoryview]:
    def piece(name: str, start: int, stop: int) -> bytes | memoryview:
        at, path = places[name]
        with path.open("rb") as file:
            file.seek(at.start + start)
            return file.read(stop - start)

    return piece


def _of_pickle(path: Path) -> WeightSource:
    found = dict(sorted(pickle_file.every(path).items()))
    spans = {name: _span(tensor) for name, tensor in found.items()}

    def piece(name: str, start: int, stop: int) -> bytes | memoryview:
        return memoryview(safetensors_file.packed(found[name]).data)[start:stop]

    return WeightSource(path, spans, {}, piece, (path,), is_pickle=True)


def _span(tensor: "Tensor") -> TensorSpan:
    return TensorSpan(safetensors_file.word_of(tensor), tuple(tensor.shape), 0, tensor.nbytes)
