"""The size and the perceptual hash of each picture: what later stages know of its pixels."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prep.stage import NoParams, stage

if TYPE_CHECKING:
    from PIL import Image


def fit(params: NoParams, loaded: None, others: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the steps to what the hash is made of, so that no whole picture is held for it."""
    from prep.images.fitting import GREY, SIDES, Resize
    from prep.images.picture_hash import SIDES as COMPARED

    return Resize(GREY), Resize(SIDES, "LANCZOS", size=COMPARED)


@stage(
    version=1,
    reads=("image", "size"),
    writes="looks",
    done="",
    shown=None,
    commands=("edit", "duplicates", "bucket"),
    fit=fit,
)
def measure(image: "Image.Image", size: Sequence[int], params: NoParams) -> dict[str, Any]:
    """Measure each picture.

    Returns:
        `size`: upright (width, height) px; `hash`: 64-bit difference hash, 16 hexadecimal digits.
    """
    from prep.images.picture_hash import perceptual_hash

    return {"size": list(size), "hash": f"{perceptual_hash(image):016x}"}
