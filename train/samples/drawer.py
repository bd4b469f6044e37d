"""One picture of a prompt, with the model as it is, and its file."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from train.families.family import Base
from train.samples.picture_text import KEY, MAKER, Shown
from train.samples.prompts import Prompt

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Drawer:
    """Draws prompts with the model as it is.

    Attributes:
        shown: What the model is, its family and clip skip.
    """

    base: Base
    vae: Any
    shown: Shown

    def picture(self, prompt: Prompt) -> "Image.Image":
        """Return the picture of one prompt.

        Raises:
            NotFiniteError: It came out as numbers that are not finite.
        """
        from train.samples.sampler import draw

        return draw(self.base, self.shown.family, self.vae, prompt, self.shown.clip_skip)


def png(picture: "Image.Image", text: str) -> bytes:
    """Return a picture as the bytes of a PNG file.

    Args:
        text: What the file says of it; see `Shown.text`.
    """
    from PIL.PngImagePlugin import PngInfo

    found, told = io.BytesIO(), PngInfo()
    told.add_text(KEY, text)
    told.add_text(*MAKER)
    picture.save(found, "PNG", pnginfo=told)
    return found.getvalue()
