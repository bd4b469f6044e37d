"""The VAE's mean and log-variance of each picture, resized and cropped to its bucket."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prep.models.locate import FoundModel
from prep.models.vae_ask import ask_vae
from prep.stage import Failed, param, stage

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    model: str = param(
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "base model or VAE: hub id, folder or `tiny`",
        model=True,
    )
    dtype: str = param("float32", "kept as float32 or bfloat16", choices=("float32", "bfloat16"))
    batch: int = param(1, "pictures per call of the VAE", ge=1, le=1024, speed=True)
    device: str = param("auto", "auto, cpu or cuda", speed=True, choices=("auto", "cpu", "cuda"))


def load(params: Params, found: tuple[FoundModel, ...]) -> Any:
    """Open the VAE; its heavy imports happen here."""
    from prep.models.devices import torch_device
    from prep.models.vae import open_vae

    return open_vae(found[0].path, torch_device(params.device))


def fit(params: Params, vae: Any, others: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the step to the size that the picture's bucket is cut from."""
    from prep.images.fitting import SIDES, Resize

    return (Resize(SIDES, "LANCZOS", size=tuple(others["bucket"]["size"])),)


@stage(
    version=1,
    reads=("image", "bucket"),
    writes="latents",
    params=Params,
    done="encoded",
    models=lambda params: (ask_vae(params.model),),
    load=load,
    batch="batch",
    group_by="bucket",
    fit=fit,
    suffix=".safetensors",
)
def latents(
    images: Sequence["Image.Image"], buckets: Sequence[Mapping[str, Any]], params: Params, vae: Any
) -> list[bytes | Failed]:
    """Encode each picture with the VAE, and write meta_lat.json.

    The mean and log-variance are kept, unscaled; the resize is Lanczos. A picture fails that the
    VAE answers with numbers that are not finite: it would spoil every training.
    """
    from prep.images.picture_file import resized
    from prep.models.vae import dump, encode

    cut = [
        resized(image, tuple(found["size"])).crop(tuple(found["crop"]))
        for image, found in zip(images, buckets, strict=True)
    ]
    each = encode(vae, cut)
    return [_NOT_FINITE if found is None else dump(found, params.dtype) for found in each]


_NOT_FINITE = Failed(
    "the VAE answered with numbers that are not finite", "use another VAE, or a fixed copy of it"
)
