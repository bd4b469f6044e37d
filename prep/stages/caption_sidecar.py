"""The caption of each picture as a text file beside it."""

from prep.stage import NoParams, PersonsField, Shape, stage


@stage(
    version=1,
    reads=("caption",),
    writes="caption",
    done="written",
    shape=Shape.SIDECAR,
    commands=("caption",),
    fields=(PersonsField("caption", ".caption"),),
)
def caption_sidecar(caption: str, params: NoParams) -> str:
    """Publish captions as x.caption."""
    return caption
