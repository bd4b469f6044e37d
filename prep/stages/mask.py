"""What of a picture trains, by the mask beside it: resized and cropped to its bucket."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prep.images import mask_plane
from prep.stage import MASK_SUFFIX, Failed, NoParams, stage

if TYPE_CHECKING:
    from PIL import Image


@stage(
    version=2,
    reads=("mask_file", "bucket"),
    writes="mask",
    done="masked",
    commands=("latents",),
    fit=mask_plane.fit,
    suffix=MASK_SUFFIX,
)
def mask(image: "Image.Image", bucket: Mapping[str, Any], params: NoParams) -> bytes | Failed:
    """Take masks over: `x.mask.png` beside a picture, white where it trains.

    Returns:
        A grey PNG of the bucket's size; a mask fails that has colours, or is black all over. One
        with transparency was refused before: white over it would stand for all of it.
    """
    from prep.images.picture_file import png

    if not mask_plane.is_grey(image):
        return Failed("its mask has colours", "save it as grey: white trains, black does not")
    found = mask_plane.mask(image, bucket)
    if found.getbbox() is None:
        return Failed(
            "its mask hides all of the picture", "make white what should train, or remove the mask"
        )
    return png(found)
