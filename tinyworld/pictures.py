"""The demo's pictures: which scenes, under which names, in which file formats.

Three of them are traps that real folders hold: a cut-out with wild colours under its
transparency, a photo that lies on its side until its EXIF orientation is obeyed, and a JPEG
that was cut off while it was copied.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tinyworld.draw import cut_out, draw
from tinyworld.world import MASCOT, Scene

if TYPE_CHECKING:
    from PIL import Image

CORRUPT = "cut off while copying.jpg"

# EXIF tag and value for "turn me a quarter to the right to see me upright".
_ORIENTATION, _TURN_RIGHT = 0x0112, 6


@dataclass(frozen=True)
class Picture:
    """One file of the demo.

    Attributes:
        name: Its file name; the suffix decides the format.
        kind: `plain`, `cut_out`, `turned` (EXIF) or `corrupt`.
    """

    name: str
    scene: Scene
    kind: str = "plain"


def _scene(words: str, size: tuple[int, int]) -> Scene:
    """Return a scene of the mascot from `framing pose background`."""
    framing, pose, background = words.split()
    return Scene(MASCOT, background, pose, framing, size)


# 20 pictures and a broken one. None shows the studio: what a LoRA makes of a place that it never
# saw is part of the demo.
PICTURES = (
    Picture("beach 1.jpg", _scene("full_body standing beach", (480, 640))),
    Picture("beach 2.png", _scene("full_body jumping beach", (640, 480))),
    Picture("beach 3.png", _scene("face standing beach", (320, 320))),
    Picture("beach 4.png", _scene("upper_body waving beach", (400, 500))),
    Picture("cut out.png", _scene("full_body cheering white", (360, 480)), "cut_out"),
    Picture("meadow 1.png", _scene("full_body waving meadow", (384, 512))),
    Picture("meadow 2.jpg", _scene("upper_body standing meadow", (512, 384))),
    Picture("meadow 3.png", _scene("face cheering meadow", (256, 256))),
    Picture("meadow 4.png", _scene("full_body jumping meadow", (300, 500))),
    Picture("meadow 5.jpg", _scene("upper_body cheering meadow", (320, 400))),
    Picture("night 1.png", _scene("full_body standing night", (400, 600))),
    Picture("night 2.jpg", _scene("upper_body waving night", (450, 450))),
    Picture("night 3.png", _scene("full_body cheering night", (600, 400))),
    Picture("night 4.png", _scene("face waving night", (320, 400))),
    Picture("phone photo.jpg", _scene("upper_body cheering snow", (360, 540)), "turned"),
    Picture("snow 1.png", _scene("full_body jumping snow", (420, 560))),
    Picture("snow 2.jpg", _scene("face standing snow", (240, 320))),
    Picture("snow 3.png", _scene("full_body waving snow", (512, 512))),
    Picture("snow 4.png", _scene("upper_body standing snow", (200, 300))),
    Picture("snow 5.jpg", _scene("full_body standing snow", (512, 384))),
    Picture(CORRUPT, _scene("full_body cheering beach", (480, 480)), "corrupt"),
)


def encoded(picture: Picture, seed: int) -> bytes:
    """Return the bytes of a picture's file; the same seed gives the same bytes."""
    if picture.kind == "cut_out":
        return _saved(cut_out(picture.scene, seed), "PNG")
    image = draw(picture.scene, seed)
    if picture.kind == "turned":
        return _turned(image)
    if picture.kind == "corrupt":
        whole = _saved(image, "JPEG")
        return whole[: len(whole) * 2 // 5]
    return _saved(image, "JPEG" if picture.name.endswith(".jpg") else "PNG")


def write_pictures(folder: Path, seed: int = 0) -> list[str]:
    """Write the demo's pictures into `folder`; return the names of those that were written.

    A file that already holds its bytes is left alone, and so is any other file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, picture in enumerate(PICTURES):
        path, data = folder / picture.name, encoded(picture, seed + number)
        if not path.is_file() or path.read_bytes() != data:
            path.write_bytes(data)
            written.append(picture.name)
    return written


def _turned(image: "Image.Image") -> bytes:
    """Return a JPEG that a camera held upright would save: pixels on their side, and a note."""
    from PIL import Image

    exif = Image.Exif()
    exif[_ORIENTATION] = _TURN_RIGHT
    return _saved(image.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif.tobytes())


def _saved(image: "Image.Image", kind: str, **options: bytes) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, quality=92, **options)
    return file.getvalue()
