"""Cut each picture to the largest centred box of one aspect ratio."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prep.stage import Derived, Rejected, Shape, param, stage

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    aspect_ratio: float = param(1.0, "width / height of the result", ge=0.01, le=100)
    min_side: int = param(256, "px; a picture whose crop is smaller is left out", ge=1, le=65536)


@stage(
    version=1,
    reads=("image",),
    writes="pictures",
    params=Params,
    done="cut",
    shape=Shape.FAN_OUT,
)
def crop(image: "Image.Image", params: Params) -> list[Derived] | Rejected:
    """Cut pictures to one aspect ratio, into another folder.

    The crop is centred, at the picture's own scale. When an odd number of pixels is cut away, the
    extra one comes off the right or the bottom.
    """
    width, height = image.size
    box_width = max(1, min(width, round(height * params.aspect_ratio)))
    box_height = max(1, min(height, round(width / params.aspect_ratio)))
    if min(box_width, box_height) < params.min_side:
        return Rejected(f"its crop is {box_width}x{box_height} px, min_side is {params.min_side}")
    left, top = (width - box_width) // 2, (height - box_height) // 2
    box = (left, top, left + box_width, top + box_height)
    return [Derived("crop", image.crop(box), box)]
