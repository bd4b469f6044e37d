"""The VAE component: its numbers, and pictures -> latents. The same for every model family.

Latents are the mean and log-variance of the VAE's answer, unscaled: who trains on them subtracts
the shift and multiplies by the scale. Letters: C channels, H and W height and width of latents,
an eighth of the picture's.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prep import files, pickled, single_file, tensorfile
from prep.dataset import Vae
from prep.errors import DatasetError, ModelFileError
from prep.files import content
from prep.models import Ask

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from PIL import Image
    from torch import Tensor

FACTOR = 8
_NAMED = re.compile(r"[0-9a-f]{32}")
DTYPES = {"float32": "F32", "bfloat16": "BF16"}

_WEIGHTS = "diffusion_pytorch_model.safetensors"
_PICKLED = "diffusion_pytorch_model.bin"
# What AutoencoderKL takes where its config is silent (diffusers 0.42.1).
_DEFAULTS = {"scaling_factor": 0.18215, "shift_factor": 0.0, "latent_channels": 4}
# Attention layers of folders published before diffusers 0.12, and their names since.
_OLD_NAMES = {
    ".query.": ".to_q.",
    ".key.": ".to_k.",
    ".value.": ".to_v.",
    ".proj_attn.": ".to_out.0.",
}


class Latents(NamedTuple):
    """A picture as its VAE sees it.

    Attributes:
        mean: Shape (C, H, W), float32, on the CPU, unscaled.
        logvar: Logarithm of the variance, same shape, in [-30, 20].
    """

    mean: "Tensor"
    logvar: "Tensor"


def ask_vae(name: str) -> Ask:
    """Return what to look for: a base model's folder, hub id or file, or that of a VAE alone.

    A `.bin` is asked for only where a folder on this machine has nothing else.
    """
    folder = Path(name).expanduser()
    place = folder / "vae" if (folder / "vae").is_dir() else folder
    only_pickled = not (place / _WEIGHTS).is_file() and (place / _PICKLED).is_file()
    weights = _PICKLED if only_pickled else _WEIGHTS
    each = ("config.json", weights)
    return Ask("base", name, (*(f"vae/{file}" for file in each), *each), ckpt=True)


def open_vae(path: Path, device: str) -> "AutoencoderKL":
    """Return the VAE of a base model's folder or file, or of its own: float32, for inference.

    Raises:
        ModelFileError: The place holds no VAE, or one that is damaged.
    """
    import torch
    from diffusers import AutoencoderKL
    from diffusers.utils import logging

    if path.is_file():
        return single_file.open_vae(path, device)
    folder, weights = _folder(path)
    if weights.suffix == ".safetensors":
        tensorfile.check_weights(weights, tensorfile.header(weights).tensors)
    logging.disable_progress_bar()
    kind: Any = AutoencoderKL  # its classes are typed only in part
    try:
        # diffusers reads a `.bin` with torch's weights_only unpickler; no code in it can run.
        vae = kind.from_pretrained(
            str(folder),
            torch_dtype=torch.float32,
            local_files_only=True,
            use_safetensors=weights.suffix == ".safetensors",
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelFileError(
            f"the VAE in `{folder}` cannot be opened: {why}", "fetch its files again"
        ) from error
    opened: AutoencoderKL = vae.to(device).eval().requires_grad_(False)
    return opened


def numbers(path: Path, name: str) -> Vae:
    """Return what a dataset records of its VAE; torch is needed only for a `.bin`.

    Args:
        path: A base model's folder or single file, or the VAE's own.
        name: As the person named it.

    Raises:
        ModelFileError: The folder holds no VAE, or one that is damaged.
    """
    facts = settings(path)
    if path.is_file():
        return _numbers(name, single_file.vae_digest(path), facts)
    weights = _folder(path)[1]
    if weights.suffix == ".safetensors":
        found = tensorfile.header(weights).tensors
        digest = tensorfile.digest({_today(key): (at, weights) for key, at in found.items()})
    else:
        digest = tensorfile.digest_of(_pickled(weights))
    return _numbers(name, digest, facts)


def _numbers(name: str, digest: str, facts: Mapping[str, float]) -> Vae:
    return Vae(
        name=name,
        digest=digest,
        scaling_factor=facts["scaling_factor"],
        shift_factor=facts["shift_factor"],
        channels=int(facts["latent_channels"]),
    )


def settings(path: Path) -> dict[str, float]:
    """Return scaling_factor, shift_factor, latent_channels of a VAE's config, or the defaults.

    A single file has no config; those it is opened with are the defaults too.
    """
    if path.is_file():
        single_file.check_vae(path)
        return dict(_DEFAULTS)
    folder = _folder(path)[0]
    try:
        config = json.loads(content(folder / "config.json"))
        given = {key: config.get(key) for key in _DEFAULTS}
        return {key: float(_DEFAULTS[key] if v is None else v) for key, v in given.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ModelFileError(
            f"`{folder / 'config.json'}` is not a VAE's config: {error}", "fetch it again"
        ) from None


def encode(vae: "AutoencoderKL", images: "Sequence[Image.Image]") -> list[Latents]:
    """Return what `encode_each` does; ModelFileError where numbers are not finite."""
    found = [latents for latents in encode_each(vae, images) if latents is not None]
    if len(found) < len(images):
        raise ModelFileError(
            "the VAE answered with numbers that are not finite", "use another VAE, or a fixed copy"
        )
    return found


def encode_each(vae: "AutoencoderKL", images: "Sequence[Image.Image]") -> list[Latents | None]:
    """Return the latents of some pictures, in their order; None where they are not finite.

    Args:
        vae: As `open_vae` returns it.
        images: Upright RGB, all of one size, both sides divisible by 8. They are one batch: its
            size may decide the last bits.
    """
    import numpy as np
    import torch

    network: Any = vae
    # In float32, in this order and with the channels' stride left innermost, as diffusers'
    # VaeImageProcessor does: [0, 255] -> [-1, 1]. A contiguous copy gives other last bits.
    pixels_BHWC = np.stack([np.asarray(image, dtype=np.float32) / 255.0 for image in images])
    pixels_BCHW = 2.0 * torch.from_numpy(pixels_BHWC.transpose(0, 3, 1, 2)) - 1.0
    with torch.inference_mode():
        answer = network.encode(pixels_BCHW.to(network.device)).latent_dist
        mean_BCHW, logvar_BCHW = answer.mean.float().cpu(), answer.logvar.float().cpu()
    each = zip(mean_BCHW, logvar_BCHW, strict=True)
    return [
        Latents(mean, logvar) if mean.isfinite().all() and logvar.isfinite().all() else None
        for mean, logvar in each
    ]


def dump(latents: Latents, dtype: str = "float32") -> bytes:
    """Return latents as a safetensors file with `logvar` and `mean`: the same bytes always.

    Args:
        latents: What `encode` returned.
        dtype: float32 or bfloat16 (rounded to nearest, ties to even).
    """
    import torch

    def packed(tensor: "Tensor") -> tensorfile.Packed:
        kept = tensor.detach().to("cpu", getattr(torch, dtype)).contiguous()
        data = kept.view(torch.uint8).numpy().tobytes()
        return tensorfile.Packed(DTYPES[dtype], tuple(kept.shape), data)

    return tensorfile.dump({"mean": packed(latents.mean), "logvar": packed(latents.logvar)})


def load(path: Path, sha256: str | None = None) -> Latents:
    """Return the latents of a file that `dump` wrote, as float32.

    Args:
        path: The file.
        sha256: What its bytes have to be; None: whatever they are.

    Raises:
        DatasetError: The file is missing, torn, holds something else, or has other bytes.
    """
    from safetensors.torch import load as load_bytes

    shape(path)
    data = path.read_bytes()
    if sha256 is not None and files.digest_bytes(data) != sha256:
        raise _bad_latents(path, "it changed during the training")
    tensors = load_bytes(data)
    return Latents(tensors["mean"].float(), tensors["logvar"].float())


def wrong_in(path: Path, data: bytes) -> str:
    """Return what is wrong with the bytes of a file that `shape` reads, or nothing; needs no torch.

    prep names it by the beginning of its SHA-256, so damage is seen.
    """
    if _NAMED.fullmatch(path.stem) and not files.digest_bytes(data).startswith(path.stem):
        return "are damaged"
    try:
        width = 4 if tensorfile.header(path).tensors["mean"].dtype == "F32" else 2
    except (OSError, ModelFileError, LookupError, TypeError):
        return ""
    highest = data[8 + int.from_bytes(data[:8], "little") :][width - 1 :: width]
    # The byte of the sign and seven bits of the exponent: all set from 1.7 * 10^38 on.
    return "hold numbers that are not finite" if b"\x7f" in highest or b"\xff" in highest else ""


def shape(path: Path) -> tuple[int, int, int]:
    """Return (C, H, W) of a file of latents, reading only its header.

    Raises:
        DatasetError: The file is missing, torn, or holds something else.
    """
    try:
        found = tensorfile.header(path).tensors
    except (OSError, ModelFileError, LookupError, TypeError) as error:
        why = "it is missing" if isinstance(error, FileNotFoundError) else "it is damaged"
        raise _bad_latents(path, why) from None
    shapes = {place.shape for place in found.values()}
    kinds = {place.dtype for place in found.values()}
    (only, *others) = shapes or {()}
    if (
        set(found) != {"mean", "logvar"}
        or others
        or len(only) != 3
        or not (kinds <= set(DTYPES.values()))
    ):
        raise _bad_latents(path, "it holds something else")
    return (only[0], only[1], only[2])


def _bad_latents(path: Path, why: str) -> DatasetError:
    return DatasetError(
        f"`{path.name}` cannot be read as latents: {why}", "make it again with `prep latents`"
    )


def _folder(path: Path) -> tuple[Path, Path]:
    """Return the VAE's own folder and its weights."""
    folder = path / "vae" if (path / "vae").is_dir() else path
    for name in (_WEIGHTS, _PICKLED):
        if (folder / name).is_file() and (folder / "config.json").is_file():
            return folder, folder / name
    raise ModelFileError(
        f"`{path}` holds no VAE: it has no `config.json` with `{_WEIGHTS}`",
        "name a diffusers folder, a hub id, or `tiny`",
    )


def _today(name: str) -> str:
    """Return a tensor's name as diffusers writes it today, so that old folders agree with new."""
    for old, new in _OLD_NAMES.items():
        name = name.replace(old, new)
    return name


def _pickled(path: Path) -> "Iterator[tuple[str, str, tuple[int, ...], Iterator[bytes]]]":
    """Yield the tensors of a `.bin` in the order and form of a safetensors file."""
    found = pickled.tensors(path)
    try:
        return tensorfile.of_torch({_today(key): one.contiguous() for key, one in found.items()})
    except KeyError:
        raise pickled.not_plain(path) from None
