"""Small copies of each picture, for the page that `prep report` writes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prep.stage import NoParams, stage

if TYPE_CHECKING:
    from PIL import Image


def fit(params: NoParams, loaded: None, others: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the steps to a small picture, so that no whole one is held for it."""
    from prep.images.fitting import THUMBNAIL, Resize
    from prep.report.small_pictures import SIDE

    return (Resize(THUMBNAIL, size=SIDE),)


@stage(
    version=1,
    reads=("image",),
    writes="page_thumbnail",
    done="made small",
    commands=("report",),
    fit=fit,
    packed=True,
)
def page_thumbnail(image: "Image.Image", params: NoParams) -> bytes:
    """Make small copies of each picture, for report.html.

    Returns:
        See `prep.report.small_pictures.packed`.
    """
    from prep.report.small_pictures import packed

    return packed(image)
