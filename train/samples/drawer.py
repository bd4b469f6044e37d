"""One picture of a prompt, with the model as it is."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from train.families.family import Base, Family
from train.samples.prompts import Prompt

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Drawer:
    """Draws prompts with the model as it is."""

    base: Base
    family: Family
    vae: Any
    clip_skip: int

    def picture(self, prompt: Prompt) -> "Image.Image":
        """Return the picture of one prompt.

        Raises:
            NotFiniteError: It came out as numbers that are not finite.
        """
        from train.samples.sampler import draw

        return draw(self.base, self.family, self.vae, prompt, self.clip_skip)


def png(picture: "Image.Image") -> bytes:
    """Return a picture as the bytes of a PNG file."""
    found = io.BytesIO()
    picture.save(found, "PNG")
    return found.getvalue()
