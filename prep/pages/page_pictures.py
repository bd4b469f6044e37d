"""Pictures within a page: data URIs, as small as asked for. Pillow."""

import base64
import io
from typing import TYPE_CHECKING

from prep.pages.markup import Markup, element

if TYPE_CHECKING:
    from PIL import Image

_QUALITY = 88  # of 100: no block of 8 pixels shows at twice the size


def data_uri(picture: "Image.Image", most: int | None = None) -> str:
    """Return a picture as `data:image/webp;base64,...`; JPEG where Pillow has no WebP.

    Args:
        picture: RGB.
        most: Of the longer side, px; a larger picture is made smaller. None: as it is.
    """
    from PIL import Image, features

    if most is not None and max(picture.size) > most:
        picture = picture.copy()
        picture.thumbnail((most, most), Image.Resampling.LANCZOS)
    found = io.BytesIO()
    kind = "webp" if features.check("webp") else "jpeg"
    picture.save(found, kind, quality=_QUALITY)
    return f"data:image/{kind};base64,{base64.b64encode(found.getvalue()).decode()}"


def image(uri: str, alt: str, size: tuple[int, int], **attributes: object) -> Markup:
    """Return an `<img>` that takes its place before it is decoded.

    Args:
        size: (width, height) px.
    """
    width, height = size
    return element(
        "img", src=uri, alt=alt, width=width, height=height, decoding="async", **attributes
    )
