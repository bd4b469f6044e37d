"""The demo's drawings as people's folders are: one is there twice, one is tiny, one is broken.

They are in a folder of their own, so that nothing of it is trained on.
"""

import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tinyworld.pictures import CORRUPT

if TYPE_CHECKING:
    from PIL import Image

TWICE, OF, TINY = "meadow 3.png", "meadow 1.png", "snow 3.png"
_SHARE, _SIDE = 0.6, 90  # of the copy's sides; px of the tiny one's


def spoil(raw: Path, folder: Path) -> None:
    """Copy the drawings of `raw` into `folder`, two of them spoiled; the broken one is there."""
    from PIL import Image

    folder.mkdir(exist_ok=True)
    for path in sorted(raw.iterdir()):
        if path.suffix in (".png", ".jpg") and path.name not in (TWICE, TINY):
            shutil.copyfile(path, folder / path.name)
    with Image.open(raw / OF) as image:
        small = image.convert("RGB").resize([round(side * _SHARE) for side in image.size])
        _save(small, folder / TWICE)
    with Image.open(raw / TINY) as image:
        _save(image.convert("RGB").resize((_SIDE, _SIDE)), folder / TINY)


def told(page: Path) -> list[str]:
    """Return what the demo says of the page."""
    return [
        "Look at the pictures first, and open",
        f"  {page}",
        "in any browser. Three of the drawings in that folder are spoiled, as the page shows:",
        f"`{TWICE}` is a smaller copy of `{OF}`, `{TINY}` is too small for any bucket, and",
        f"`{CORRUPT}` ends in the middle. Decide there, save, and bring it back:",
        f"  prep review import edits.json --in {page.parent}",
    ]


def _save(image: "Image.Image", path: Path) -> None:
    data = io.BytesIO()
    image.save(data, "PNG" if path.suffix == ".png" else "JPEG")
    path.write_bytes(data.getvalue())
