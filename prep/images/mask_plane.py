"""Masks: grey, as large as a bucket; white is what trains."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

_GREY = 2  # channels of a grey picture may differ so much after a conversion of colours


def fit(params: Any, loaded: None, others: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the step to the size that the bucket is cut from: a pixel is the mean over its area.

    Args:
        others: What else a stage reads of the sample: what `bucket` made of it.
    """
    from prep.images.fitting import SIDES, Resize

    return (Resize(SIDES, "BOX", size=tuple(others["bucket"]["size"])),)


def mask(image: "Image.Image", bucket: Any) -> "Image.Image":
    """Return a mask, RGB, as grey of the bucket's size."""
    from prep.images.picture_file import resized

    left, top, right, bottom = bucket["crop"]
    fitted = resized(image, tuple(bucket["size"]), "box")
    return fitted.crop((left, top, right, bottom)).getchannel("R")


def is_grey(image: "Image.Image") -> bool:
    """Return whether an RGB image has no colours."""
    from PIL import ImageChops

    bands: Sequence[Image.Image] = image.split()
    off = [ImageChops.difference(bands[0], band).getextrema() for band in bands[1:]]
    return all(high <= _GREY for _, high in off)  # type: ignore[operator]
