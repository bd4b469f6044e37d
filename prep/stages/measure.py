"""The size and the perceptual hash of each picture: what later stages know of its pixels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prep.stage import stage

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Params:
    """Nothing to choose."""


@stage(
    version=1,
    reads=("image",),
    writes="looks",
    params=Params,
    commands=("edit", "duplicates", "bucket"),
)
def measure(image: "Image.Image", params: Params) -> dict[str, Any]:
    """Measure each picture.

    Returns:
        `size`: upright (width, height) px; `hash`: 64-bit difference hash, 16 hexadecimal digits.
    """
    from prep.images import perceptual_hash

    return {"size": list(image.size), "hash": f"{perceptual_hash(image):016x}"}
