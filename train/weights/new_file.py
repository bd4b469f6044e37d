"""A new file of weights, whole or absent, a tensor at a time: as it is, rounded, or multiplied."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prep.models import safetensors_file
from prep.models.safetensors_header import BITS
from prep.runtime import files
from prep.runtime.errors import ConfigError, MachineError
from train.weights import web_hashes
from train.weights.number_words import decoded, encoded
from train.weights.weight_source import WeightSource

_ALIGN = 64


@dataclass(frozen=True)
class NewTensor:
    """A tensor of a new file.

    Attributes:
        name: In the source.
        dtype: The format's word; with the source's own, and a factor of 1, its bytes are kept.
        factor: What its numbers are multiplied by.
        counts: Whether it is 0, 1, 2, ... whatever the source has.
    """

    name: str
    dtype: str
    factor: float = 1.0
    counts: bool = False


@dataclass(frozen=True)
class NewFile:
    """A file that is to be written.

    Attributes:
        tensors: Name -> what it is.
        hashes: Whether it says the hashes that WebUIs know it by.
    """

    source: WeightSource
    tensors: Mapping[str, NewTensor]
    metadata: Mapping[str, str] = field(default_factory=dict)
    hashes: bool = False

    def size(self) -> int:
        """Return how many bytes its tensors have."""
        return sum(size for _, _, size in self._places().values())

    def pieces(self, metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
        """Yield the file, header first.

        Raises:
            ConfigError: A number is too large for its precision.
        """
        return safetensors_file.streamed(self._places(), self._data, metadata, _ALIGN)

    def _places(self) -> dict[str, tuple[str, tuple[int, ...], int]]:
        return {
            name: (
                one.dtype,
                self.source.tensors[one.name].shape,
                self.source.count(one.name) * BITS[one.dtype] // 8,
            )
            for name, one in self.tensors.items()
        }

    def _data(self, name: str) -> Iterator[bytes | memoryview]:
        import numpy as np

        one = self.tensors[name]
        if one.counts:
            yield np.arange(self.source.count(one.name), dtype="<i8").tobytes()
        elif one.dtype == self.source.tensors[one.name].dtype and one.factor == 1:
            yield from self.source.data(one.name)
        else:
            yield from self._changed(one)

    def _changed(self, one: NewTensor) -> Iterator[bytes]:
        import numpy as np

        for piece in self.source.numbers(one.name):
            wide = piece if one.factor == 1 else piece.astype(np.float64) * one.factor
            made = encoded(wide, one.dtype)
            if bool((np.isinf(decoded(made, one.dtype)) & np.isfinite(wide)).any()):
                largest = float(np.abs(wide[np.isfinite(wide)]).max())
                raise ConfigError(
                    f"`{one.name}` holds numbers too large for {one.dtype}, up to {largest:.3g}; "
                    "nothing is written",
                    "give `--save-precision bf16` or `fp32`",
                )
            yield made


def check_target(target: Path, source: Path) -> None:
    """Raise ConfigError where a new file cannot be: it would replace something, or has no name."""
    if target.suffix.lower() != ".safetensors":
        raise ConfigError(f"`--out {target}` is no `.safetensors` file", "give it that ending")
    if target.absolute() == source.absolute():
        raise ConfigError(f"`--out {target}` is the file itself", "name another file")
    if target.exists() or target.is_symlink():
        raise ConfigError(f"`{target}` is there already", "name another place: `--out`")


def write(path: Path, new: NewFile) -> None:
    """Publish a file; it is read back before it gets its name.

    Raises:
        ConfigError: A number is too large for its precision; nothing is written.
        MachineError: The disk is full, or gives back other bytes.
    """
    with files.replacing(path) as scratch:
        if new.hashes:
            same = web_hashes.write(scratch, new.pieces, new.metadata)
        else:
            same = files.write_pieces(scratch, new.pieces(new.metadata)) == files.digest(scratch)
        if not same:
            raise MachineError(
                f"`{path}` reads back as other bytes", "check the disk, run the same command again"
            )
