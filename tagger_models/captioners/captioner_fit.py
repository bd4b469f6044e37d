"""How a captioner's processor begins: what of it can be done where pictures are decoded."""

from typing import Any

from prep.images.fitting import SHORTER, SIDES, Resize


def fit_of(processor: Any) -> tuple[Resize, ...]:
    """Return the step after which the processor sees the same pixels; none where that is unknown.

    Taken are the processors of transformers that begin with Pillow's resize of the whole picture:
    to two sides, or of the shorter side. Whoever gets a picture of that size leaves it as it is.
    Those that cut a picture into tiles, or choose its size by its pixels, are given all of it.
    """
    from PIL.Image import Resampling
    from transformers.image_processing_backends import PilBackend

    found: Any = getattr(processor, "image_processor", None)
    kind = type(found)
    own = any(
        getattr(kind, name, None) is not getattr(PilBackend, name)
        for name in ("preprocess", "_preprocess", "resize")
    )
    if own or not found.do_resize:
        return ()
    size = {name: value for name, value in dict(found.size).items() if value}
    name = Resampling(Resampling.BILINEAR if found.resample is None else found.resample).name
    if set(size) == {"height", "width"}:
        return (Resize(SIDES, name, size=(size["width"], size["height"])),)
    if set(size) == {"shortest_edge"}:
        return (Resize(SHORTER, name, size=size["shortest_edge"]),)
    return ()
