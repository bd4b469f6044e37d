"""What is kept of each picture so that it can be compared with all others."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prep.stage import NoParams, stage

if TYPE_CHECKING:
    from PIL import Image


def fit(params: NoParams, loaded: None, others: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the steps to the copy that is kept, so that no whole picture is held for it."""
    from prep.images.fitting import THUMBNAIL, Resize
    from prep.likeness.appearance import SIDE

    return (Resize(THUMBNAIL, size=SIDE),)


@stage(
    version=1,
    reads=("image", "size"),
    writes="appearance",
    done="",
    shown=None,
    commands=("duplicates", "report"),
    fit=fit,
    packed=True,
)
def appearance(image: "Image.Image", size: Sequence[int], params: NoParams) -> bytes:
    """Keep a small copy of each picture, and numbers of its parts, to compare them.

    Returns:
        See `prep.likeness.appearance.packed`.
    """
    from prep.likeness.appearance import SIDE, packed

    copy = image
    if max(image.size) > SIDE:
        copy = image.copy()
        copy.thumbnail((SIDE, SIDE))
    return packed(copy, (size[0], size[1]))
