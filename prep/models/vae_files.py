"""A VAE on the disk: what to look for, its digest, and the numbers that a dataset records of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from prep.models import pickle_file, safetensors_file, single_file
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
    """

    name: str
    digest: str = field(metadata=limits(form="hex"))
    scaling_factor: float = field(metadata=limits(above=0, most=1e6))
    shift_factor: float = field(metadata=limits(least=-1e6, most=1e6))
    channels: int = field(metadata=limits(least=1, most=1024))


# What AutoencoderKL takes where its config is silent (diffusers 0.42.1).
_DEFAULTS = {"scaling_factor": 0.18215, "shift_factor": 0.0, "latent_channels": 4}


def numbers(path: Path, name: str) -> Vae:
    """Return what a dataset records of its VAE; torch is needed only for a `.bin`.

    Args:
        path: A base model's folder or single file, or the VAE's own.
        name: As the person named it.

    Raises:
        ModelFileError: The folder holds no VAE, or one that is damaged.
    """
    facts = settings(path)
    return Vae(
        name=name,
        digest=single_file.vae_digest(path) if path.is_file() else _digest(vae_folder(path)[1]),
        scaling_factor=facts["scaling_factor"],
        shift_factor=facts["shift_factor"],
        channels=int(facts["latent_channels"]),
    )


def _digest(weights: Path) -> str:
    if weights.suffix != ".safetensors":
        return safetensors_file.digest_of(_pickled(weights))
    found = safetensors_file.header(weights).tensors
    return safetensors_file.digest({_today(key): (at, weights) for key, at in found.items()})


def settings(path: Path) -> dict[str, float]:
    """Return scaling_factor, shift_factor, latent_channels of a VAE's config, or the defaults.

    A single file has none: it is that of its kind; a VAE alone is taken for that of the oldest.
    """
    if path.is_file():
        config = single_file.vae_layout(path).settings("vae")
        return {key: float(config.get(key, usual)) for key, usual in _DEFAULTS.items()}
    folder = vae_folder(path)[0]
    try:
        config = json.loads(content(folder / "config.json"))
        given = {key: config.get(key) for key in _DEFAULTS}
        return {key: float(_DEFAULTS[key] if v is None else v) for key, v in given.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ModelFileError(
            f"`{folder / 'config.json'}` is not a VAE's config: {error}", "fetch it again"
        ) from None


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
