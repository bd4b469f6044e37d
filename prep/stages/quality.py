"""What is measured of each picture, so that what is wrong with it can be told."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prep.stage import NoParams, stage

if TYPE_CHECKING:
    from PIL import Image


def fit(params: NoParams, loaded: None, others: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the step to the parts that are looked at, so that no whole picture is held for it."""
    from prep.images.fitting import TILES, Resize

    return (Resize(TILES),)


@stage(
    version=1,
    reads=("image", "size", "warnings"),
    writes="quality",
    done="",
    shown=None,
    commands=("check",),
    fit=fit,
)
def quality(
    image: "Image.Image", size: Sequence[int], warnings: Sequence[str], params: NoParams
) -> dict[str, Any]:
    """Measure how sharp, how compressed, how light and how full each picture is.

    Returns:
        See `prep.quality.measures.Measures`.
    """
    from prep.images import orientation, tiles
    from prep.quality.measures import measures

    whole = (size[0], size[1])
    copy, parts = tiles.taken_apart(image, whole)
    turned = orientation.TURNED_ALREADY in warnings
    return measures(copy, parts, whole, turned=turned).plain()
