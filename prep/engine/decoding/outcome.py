"""What becomes of a picture in a decoding process, as its parent knows it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prep.images.pixel_steps import PixelStep

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class DecodedPicture:
    """A decoded picture.

    Attributes:
        rgb: Upright RGB, 8 bits a channel, row by row from the top left.
        size: (width, height) px.
        sha256: Digest of the very bytes that were decoded, in hexadecimal.
        format: What the file is by its content, as `PNG`.
        warnings: What was ignored or is not as the file's name says.
        whole: Upright (width, height) px before it was made smaller.
        files: SHA-256 of each part that was written as a file.
        small: Where parts are asked for, (width, height) px of `rgb`, which is what the steps of
            its fit make of it; (0, 0) and empty without any.
    """

    rgb: bytes = field(repr=False)
    size: tuple[int, int]
    sha256: str
    format: str
    warnings: tuple[str, ...]
    whole: tuple[int, int] = field(default=(0, 0), compare=False)
    files: tuple[str, ...] = ()
    small: tuple[int, int] = (0, 0)

    def image(self) -> "Image.Image":
        """Return the picture as a Pillow image."""
        from PIL import Image

        return Image.frombytes("RGB", self.size, self.rgb)

    def small_image(self) -> "Image.Image | None":
        """Return what is seen of a picture whose parts are asked for; None: nothing."""
        from PIL import Image

        return Image.frombytes("RGB", self.small, self.rgb) if self.rgb else None


@dataclass(frozen=True)
class Failure:
    """Why there is no picture.

    Attributes:
        kind: One word for it; see the module.
        why: The reason as a person reads it.
    """

    kind: str
    why: str


@dataclass(frozen=True)
class Part:
    """What is to be written of a picture.

    Attributes:
        to: The file, which nobody reads yet.
        steps: What is done to the upright picture, which is then written as PNG; None for the
            picture's own file, copied byte for byte.
    """

    to: Path
    steps: tuple[PixelStep, ...] | None


class UnwrittenError(Exception):
    """The disk did not take a part of a picture.

    Attributes:
        error: What the system says.
        parts: All that was to be written of the picture.
    """

    def __init__(self, error: OSError, parts: Sequence[Part]) -> None:
        super().__init__(error, parts)
        self.error, self.parts = error, parts
