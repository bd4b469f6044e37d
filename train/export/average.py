"""The average of several exports of one run, tensor by tensor: no model is opened."""

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models import safetensors_file
from prep.models.safetensors_file import Packed
from prep.runtime import files
from prep.runtime.errors import ModelFileError
from train.adapters.lora_metadata import BORN
from train.export import lora_file

if TYPE_CHECKING:
    from torch import Tensor

AVERAGED = "prep_averaged"  # metadata: JSON list of export, step and weight
_HASHES = ("sshs_model_hash", "sshs_legacy_hash")  # of a LoRA: a file that has them is one
_FLOATS = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True)
class Averaged:
    """What is averaged.

    Attributes:
        exports: Files or folders, the last one has the most steps.
        shares: What each counts; they sum to 1.
        metadata: Of the average.
    """

    exports: tuple[Path, ...]
    shares: tuple[float, ...]
    metadata: Mapping[str, str]

    def files(self) -> list[tuple[Path, ...]]:
        """Return the files of weights, each as all exports have it."""
        last = self.exports[-1]
        if last.is_file():
            return [self.exports]
        names = [path.relative_to(last) for path in sorted(last.rglob("*.safetensors"))]
        return [tuple(export / name for export in self.exports) for name in names]


def check_alike(found: Averaged) -> None:
    """Raise ModelFileError unless all exports have the same tensors, made of numbers we add."""
    for paths in found.files():
        *others, last = paths
        wanted = _outline(last)
        for path in others:
            if not path.is_file() or _outline(path) != wanted:
                raise ModelFileError(
                    f"`{path}` has other tensors than `{last}`",
                    "name exports of one run that were saved in one precision",
                )


def _outline(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {n: (at.dtype, at.shape) for n, at in safetensors_file.header(path).tensors.items()}


def write(out: Path, found: Averaged) -> None:
    """Publish the average; it is read back before it gets its name.

    Raises:
        ProofError: It reads back as other numbers.
        MachineError: The disk is full.
    """
    if found.exports[-1].is_dir():
        _write_folder(out, found)
    elif any(word in found.metadata for word in _HASHES):
        metadata = {word: one for word, one in found.metadata.items() if word not in _HASHES}
        with _Mean(found.exports, found.shares) as mean:
            lora_file.write(out, {name: mean.of(name) for name in mean.names}, metadata)
    else:
        with files.replacing(out) as scratch:
            _write_weights(scratch, found.exports, found.shares, found.metadata)


def _write_folder(out: Path, found: Averaged) -> None:
    scratch, last = out.with_name(f"{files.SCRATCH}{uuid.uuid4().hex}"), found.exports[-1]
    try:
        with files.disk_errors(out):
            shutil.copytree(last, scratch, ignore=shutil.ignore_patterns("*.safetensors"))
            for paths in found.files():
                said = safetensors_file.header(paths[-1]).metadata
                _write_weights(scratch / paths[-1].relative_to(last), paths, found.shares, said)
            text = json.dumps(dict(found.metadata), indent=1, ensure_ascii=False, sort_keys=True)
            (scratch / BORN).write_text(text + "\n", encoding="utf-8")
            for file in sorted(scratch.rglob("*")):
                files.flush(file)
            if out.is_dir():
                shutil.rmtree(out)
            scratch.replace(out)
            files.flush(out.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write_weights(
    scratch: Path, paths: Sequence[Path], shares: Sequence[float], metadata: Mapping[str, str]
) -> None:
    """Write one file of weights, one tensor at a time in memory, and read it back."""
    import torch
    from safetensors import safe_open

    with _Mean(paths, shares) as mean:
        files.write_pieces(scratch, safetensors_file.pieces(mean, metadata, align=64))
        with safe_open(scratch, "pt") as made:
            if not all(torch.equal(made.get_tensor(name), mean.of(name)) for name in mean.names):
                raise lora_file.ProofError(
                    "the average reads back as other numbers", "check the disk, run again"
                )


class _Mean(Mapping[str, Packed]):
    """The mean of several files by the names of their tensors, made anew where it is asked for."""

    def __init__(self, paths: Sequence[Path], shares: Sequence[float]) -> None:
        self._paths, self._shares = paths, shares
        self._outline = _outline(paths[-1])
        self._stack = ExitStack()
        self._open: list[Any] = []

    def __enter__(self) -> "_Mean":
        from safetensors import safe_open

        opened: Any = safe_open  # typed only in part
        self._open = [self._stack.enter_context(opened(path, "pt")) for path in self._paths]
        return self

    def __exit__(self, *of: object) -> None:
        self._stack.close()

    @property
    def names(self) -> list[str]:
        """The tensors' names, sorted."""
        return sorted(self._outline)

    def of(self, name: str) -> "Tensor":
        """Return the mean of a tensor, summed in float64; that of the last where all are equal.

        So is what is no number with a point: counts, places.
        """
        import torch

        *others, last = (one.get_tensor(name) for one in self._open)
        found: Tensor = last
        if self._outline[name][0] not in _FLOATS or all(torch.equal(last, one) for one in others):
            return found
        each = zip((*others, last), self._shares, strict=True)
        total = sum(
            (one.double() * share for one, share in each), torch.zeros((), dtype=torch.float64)
        )
        return total.to(last.dtype)

    def __getitem__(self, name: str) -> Packed:
        return safetensors_file.packed(self.of(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._outline)

    def __len__(self) -> int:
        return len(self._outline)
