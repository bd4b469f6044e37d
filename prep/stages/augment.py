"""Add mirrored pictures to the originals."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prep.stage import Derived, Shape, param, stage

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    flip: bool = param(True, "add each picture mirrored; turn it off for asymmetric subjects")


@stage(
    version=1,
    reads=("image",),
    writes="pictures",
    params=Params,
    done="copied",
    shape=Shape.FAN_OUT,
)
def augment(image: "Image.Image", params: Params) -> list[Derived]:
    """Copy pictures into another folder, with mirrored ones beside them.

    The originals are copied byte for byte.
    """
    from PIL import ImageOps

    box = (0, 0, *image.size)
    original = [Derived("", None, box)]
    return original + (
        [Derived("flip", ImageOps.mirror(image), box, flip=True)] if params.flip else []
    )
