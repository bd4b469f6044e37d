"""The pictures of a report, each made small once, however often the page is written. Pillow."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prep.images import picture_file
from prep.images.unreadable import Unreadable
from prep.pages.markup import Markup
from prep.pages.page_pictures import data_uri, image

if TYPE_CHECKING:
    from PIL import Image

_Known = tuple[str, tuple[int, int]]


@dataclass
class ReportPictures:
    """Pictures as data URIs, kept by file, time and size."""

    known: dict[tuple[str, int, int], _Known | None] = field(default_factory=dict)

    def shown(self, path: Path, most: int, alt: str, **attributes: object) -> Markup | None:
        """Return a picture as an `<img>`; None where its file cannot be read.

        Args:
            most: Of the longer side, px.
        """
        try:
            key = (str(path), path.stat().st_mtime_ns, most)
        except OSError:
            return None
        if key not in self.known:
            self.known[key] = _small(path, most)
        found = self.known[key]
        return None if found is None else image(found[0], alt, found[1], **attributes)


def _small(path: Path, most: int) -> _Known | None:
    picture = _opened(path)
    if picture is None:
        return None
    share = min(1.0, most / max(picture.size))
    width, height = (max(1, round(side * share)) for side in picture.size)
    return data_uri(picture, most), (width, height)


def _opened(path: Path) -> "Image.Image | None":
    try:
        with path.open("rb") as file:
            return picture_file.opened(file, path.name).image
    except (OSError, Unreadable, ValueError):
        return None
