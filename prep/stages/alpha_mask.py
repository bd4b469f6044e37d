"""What of a picture trains, by its own alpha, where no mask lies beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prep.images import mask_plane
from prep.stage import MASK_SUFFIX, Failed, Nothing, param, stage

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    alpha_mask: bool = param(
        False, "of a picture without a mask, what is transparent does not train"
    )


@stage(
    version=2,
    reads=("alpha", "bucket"),
    writes="alpha_mask",
    params=Params,
    done="masked by their alpha",
    commands=("latents",),
    fit=mask_plane.fit,
    enabled=lambda params: params.alpha_mask,
    suffix=MASK_SUFFIX,
)
def alpha_mask(
    image: "Image.Image", bucket: Mapping[str, Any], params: Params
) -> bytes | Failed | Nothing:
    """Make masks of alpha.

    Returns:
        A grey PNG of the bucket's size, white where the picture is opaque, and none for one that
        is opaque everywhere; a picture fails of which nothing is to be seen.
    """
    from prep.images.picture_file import png

    found = mask_plane.mask(image, bucket)
    if found.getbbox() is None:
        return Failed("all of it is transparent", "leave it out, or give it a mask")
    return Nothing() if found.getextrema() == (255, 255) else png(found)
