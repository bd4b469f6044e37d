"""The caption of each picture as a text file beside it."""

from dataclasses import dataclass

from prep.stage import PersonsField, Shape, stage


@dataclass(frozen=True)
class Params:
    """Nothing to choose."""


@stage(
    version=1,
    reads=("caption",),
    writes="caption",
    params=Params,
    done="written",
    shape=Shape.SIDECAR,
    commands=("caption",),
    fields=(PersonsField("caption", ".caption"),),
)
def caption_sidecar(caption: str, params: Params) -> str:
    """Publish captions as x.caption."""
    return caption
