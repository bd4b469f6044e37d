"""A small copy of each picture, to be looked at beside its words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prep.stage import param, stage

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    thumbnail: int = param(128, "longer side of the thumbnails in tags.xlsx, px", ge=16, le=512)


def fit(params: Params, loaded: None, others: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the steps to a small picture."""
    from prep.images.fitting import THUMBNAIL, Resize

    return (Resize(THUMBNAIL, size=params.thumbnail),)


@stage(
    version=1,
    reads=("image",),
    writes="thumbnail",
    params=Params,
    done="made small",
    commands=("review export",),
    fit=fit,
    packed=True,
)
def thumbnail(image: "Image.Image", params: Params) -> bytes:
    """Make a thumbnail of each picture, for tags.xlsx.

    Returns:
        JPEG, quality 80, without metadata; a picture that is smaller keeps its size.
    """
    from io import BytesIO

    small = image.copy()
    small.info = {}
    small.thumbnail((params.thumbnail, params.thumbnail))
    stream = BytesIO()
    small.save(stream, "JPEG", quality=80)
    return stream.getvalue()
