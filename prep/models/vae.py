"""The VAE component: its numbers, and pictures -> latents. The same for every model family.

Latents are the mean and log-variance of the VAE's answer, unscaled: who trains on them subtracts
the shift and multiplies by the scale. Letters: C channels, H and W height and width of latents:
the picture's, divided by the factor of the latent space.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prep.models import safetensors_file, single_file
from prep.models.vae_files import vae_folder
from prep.runtime import files
from prep.runtime.errors import DatasetError, ModelFileError

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from PIL import Image
    from torch import Tensor

_NAMED = re.compile(r"[0-9a-f]{32}")
_DTYPES = {"F32", "BF16"}


class Latents(NamedTuple):
    """A picture as its VAE sees it.

    Attributes:
        mean: Shape (C, H, W), float32, on the CPU, unscaled.
        logvar: Logarithm of the variance, same shape, in [-30, 20].
    """

    mean: "Tensor"
    logvar: "Tensor"


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
    folder, weights = vae_folder(path)
    if weights.suffix == ".safetensors":
        safetensors_file.check_weights(weights, safetensors_file.header(weights).tensors)
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


def encode(vae: "AutoencoderKL", images: "Sequence[Image.Image]") -> list[Latents | None]:
    """Return the latents of some pictures, in their order; None where they are not finite.

    Args:
        vae: As `open_vae` returns it.
        images: Upright RGB, all of one size, both sides divisible by the factor. They are one
            batch: its size may decide the last bits.
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

    kept = {name: one.to(getattr(torch, dtype)) for name, one in latents._asdict().items()}
    return safetensors_file.dump({name: safetensors_file.packed(one) for name, one in kept.items()})


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
        width = 4 if safetensors_file.header(path).tensors["mean"].dtype == "F32" else 2
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
        found = safetensors_file.header(path).tensors
    except (OSError, ModelFileError, LookupError, TypeError) as error:
        why = "it is missing" if isinstance(error, FileNotFoundError) else "it is damaged"
        raise _bad_latents(path, why) from None
    shapes = {place.shape for place in found.values()}
    kinds = {place.dtype for place in found.values()}
    (only, *others) = shapes or {()}
    if set(found) != {"mean", "logvar"} or others or len(only) != 3 or not kinds <= _DTYPES:
        raise _bad_latents(path, "it holds something else")
    return (only[0], only[1], only[2])


def _bad_latents(path: Path, why: str) -> DatasetError:
    return DatasetError(
        f"`{path.name}` cannot be read as latents: {why}", "make it again with `prep latents`"
    )
