"""What is measured of each picture's alpha."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prep.stage import NoParams, Nothing, stage

if TYPE_CHECKING:
    from PIL import Image


def fit(params: NoParams, loaded: None, others: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the step to the parts that are looked at."""
    from prep.images.fitting import TILES, Resize

    return (Resize(TILES),)


@stage(
    version=1,
    reads=("alpha", "quality"),
    writes="opacity",
    done="",
    shown=None,
    commands=("check",),
    fit=fit,
)
def opacity(
    image: "Image.Image", quality: Mapping[str, Any], params: NoParams
) -> dict[str, float] | Nothing:
    """Measure how much of each picture is transparent; none for one that is opaque.

    Returns:
        See `prep.quality.transparency.Transparency`.
    """
    from prep.images import tiles
    from prep.quality.transparency import transparency

    if image.getextrema()[0][0] == 255:  # type: ignore[index]
        return Nothing()
    width, height = quality["size"]
    _, parts = tiles.taken_apart(image, (width, height))
    found = transparency(parts[..., 0].reshape(-1, *parts.shape[2:4]))
    return {name: round(value, 5) for name, value in found._asdict().items()}
