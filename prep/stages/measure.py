"""The size of each picture: what later stages know of it without opening it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prep.stage import NoParams, stage

if TYPE_CHECKING:
    from PIL import Image


def fit(params: NoParams, loaded: None, others: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the steps to a single pixel: the size is told beside it."""
    from prep.images.fitting import SIDES, Resize

    return (Resize(SIDES, "NEAREST", size=(1, 1)),)


@stage(
    version=2,
    reads=("image", "size"),
    writes="looks",
    done="",
    shown=None,
    commands=("edit", "bucket", "report"),
    fit=fit,
)
def measure(image: "Image.Image", size: Sequence[int], params: NoParams) -> dict[str, Any]:
    """Measure each picture.

    Returns:
        `size`: upright (width, height) px.
    """
    return {"size": list(size)}
