"""A VAE on the disk: what to look for, its digest, and the numbers that a dataset records of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from prep.models import pickle_file, safetensors_file, single_file
from prep.models.latent_space import LatentSpace
from prep.models.vae_ask import PICKLED, WEIGHTS
from prep.runtime.errors import ModelFileError
from prep.runtime.files import content
from prep.runtime.schema import limits


@dataclass(frozen=True)
class Vae:
    """The numbers of the VAE that made the latents, as read from its config.

    Attributes:
        digest: SHA-256 over its sorted tensors, the same for a folder and a single file.
        scaling_factor: Latents are multiplied by this before training.
        shift_factor: Subtracted before scaling.
        channels: Channels of the latents.
        factor: How much smaller they are than the picture, in either direction.
    """

    name: str
    digest: str = field(metadata=limits(form="hex"))
    scaling_factor: float = field(metadata=limits(above=0, most=1e6))
    shift_factor: float = field(metadata=limits(least=-1e6, most=1e6))
    channels: int = field(metadata=limits(least=1, most=1024))
    factor: int = field(default=LatentSpace.factor, metadata=limits(least=1, most=1024))

    def space(self) -> LatentSpace:
        """Return the space of its latents."""
        return LatentSpace(self.channels, self.factor, self.scaling_factor, self.shift_factor)

    def recorded(self) -> dict[str, Any]:
        """Return what a dataset file holds; once all had one factor, and it was not told."""
        found = asdict(self)
        if self.factor == LatentSpace.factor:
            del found["factor"]
        return found


def numbers(path: Path, name: str) -> Vae:
    """Return what a dataset records of its VAE; torch is needed only for a `.bin`.

    Args:
        path: A base model's folder or single file, or the VAE's own.
        name: As the person named it.

    Raises:
        ModelFileError: The folder holds no VAE, or one that is damaged.
    """
    space = space_of(path)
    return Vae(
        name=name,
        digest=single_file.vae_digest(path) if path.is_file() else _digest(vae_folder(path)[1]),
        scaling_factor=space.scale,
        shift_factor=space.shift,
        channels=space.channels,
        factor=space.factor,
    )


def _digest(weights: Path) -> str:
    if weights.suffix != ".safetensors":
        return safetensors_file.digest_of(_pickled(weights))
    found = safetensors_file.header(weights).tensors
    return safetensors_file.digest({_today(key): (at, weights) for key, at in found.items()})


def space_of(path: Path) -> LatentSpace:
    """Return the latent space that a VAE's config tells.

    A single file has none: it is that of its kind; a VAE alone is taken for that of the oldest.
    """
    if path.is_file():
        return _space(single_file.vae_layout(path).settings("vae"))
    folder = vae_folder(path)[0]
    try:
        return _space(json.loads(content(folder / "config.json")))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ModelFileError(
            f"`{folder / 'config.json'}` is not a VAE's config: {error}", "fetch it again"
        ) from None


def _space(config: Mapping[str, Any]) -> LatentSpace:
    """Return the space that a config tells; what it leaves out is as AutoencoderKL has it."""
    blocks = config.get("block_out_channels")
    return LatentSpace(
        channels=int(_or(config.get("latent_channels"), LatentSpace.channels)),
        factor=2 ** (len(blocks) - 1) if blocks else LatentSpace.factor,  # the last keeps it
        scale=float(_or(config.get("scaling_factor"), LatentSpace.scale)),
        shift=float(_or(config.get("shift_factor"), LatentSpace.shift)),
    )


def _or(value: Any, usual: float) -> Any:
    return usual if value is None else value


# Attention layers of folders published before diffusers 0.12, and their names since.
_OLD_NAMES = {
    ".query.": ".to_q.",
    ".key.": ".to_k.",
    ".value.": ".to_v.",
    ".proj_attn.": ".to_out.0.",
}


def vae_folder(path: Path) -> tuple[Path, Path]:
    """Return the VAE's own folder and its weights."""
    folder = path / "vae" if (path / "vae").is_dir() else path
    for name in (WEIGHTS, PICKLED):
        if (folder / name).is_file() and (folder / "config.json").is_file():
            return folder, folder / name
    raise ModelFileError(
        f"`{path}` holds no VAE: it has no `config.json` with `{WEIGHTS}`",
        "name a diffusers folder, a hub id, or `tiny`",
    )


def _today(name: str) -> str:
    """Return a tensor's name as diffusers writes it today, so that old folders agree with new."""
    for old, new in _OLD_NAMES.items():
        name = name.replace(old, new)
    return name


def _pickled(path: Path) -> Iterator[safetensors_file.Pieces]:
    """Yield the tensors of a `.bin` in the order and form of a safetensors file."""
    found = pickle_file.tensors(path)
    try:
        return safetensors_file.of_torch({_today(key): one for key, one in found.items()})
    except KeyError:
        raise pickle_file.not_plain(path) from None
