"""The demo's drawings as people's folders are: one is there twice, one is tiny, one is blurred.

They are in a folder of their own, so that nothing of it is trained on.
"""

import io
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tinyworld.pictures import CORRUPT

if TYPE_CHECKING:
    from PIL import Image

TWICE, OF, TINY, BLURRED = "meadow 3.png", "meadow 1.png", "snow 3.png", "night 1.png"
# What `keep` says of each as `prep check` and `prep duplicates` find it.
FOUND: Mapping[str, str] = {
    TWICE: f"duplicate of {OF} (resized)",
    TINY: "drop: too small",
    BLURRED: "look: blur",
}
RESOLUTION = 256  # px; the smallest drawings are made for no more
_SHARE, _SIDE, _BLUR = 0.7, 90, 6  # of the copy's sides; px of the tiny one's; px


def spoil(raw: Path, folder: Path) -> None:
    """Copy the drawings of `raw` into `folder`, three of them spoiled."""
    from PIL import Image, ImageFilter

    folder.mkdir(exist_ok=True)
    for path in sorted(raw.iterdir()):
        if path.suffix in (".png", ".jpg") and path.name not in FOUND:
            shutil.copyfile(path, folder / path.name)
    with Image.open(raw / OF) as image:
        small = image.convert("RGB").resize([round(side * _SHARE) for side in image.size])
    _save(small, folder / TWICE)
    with Image.open(raw / TINY) as image:
        _save(image.convert("RGB").resize((_SIDE, _SIDE)), folder / TINY)
    with Image.open(raw / BLURRED) as image:
        _save(image.convert("RGB").filter(ImageFilter.GaussianBlur(_BLUR)), folder / BLURRED)


def told(page: Path) -> list[str]:
    """Return what the demo says of the page."""
    return [
        "Look at the pictures first: open in any browser, from the disk",
        f"  {page}",
        "In that folder three of the drawings are spoiled, and the page says which and why:",
        f"`{TWICE}` is a smaller copy of `{OF}`, `{TINY}` is tiny, `{BLURRED}` is blurred.",
        f"It also says why `{CORRUPT}` is left out. Decide there, save, and bring it back:",
        f"  prep review import edits.json --in {page.parent}",
    ]


def _save(image: "Image.Image", path: Path) -> None:
    data = io.BytesIO()
    image.save(data, "PNG")
    path.write_bytes(data.getvalue())
