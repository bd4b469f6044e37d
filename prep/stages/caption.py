"""One sentence about each picture, where no person wrote one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prep.models import Ask, Found
from prep.stage import param, stage

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    model: str = param(
        "Salesforce/blip-image-captioning-large",
        "a BLIP captioner: hub id, folder or `tiny`",
        path=True,
    )
    beams: int = param(3, "width of the beam search", ge=1)
    max_new_tokens: int = param(75, "most tokens of a caption", ge=1)
    prompt: str = param("", "words that every caption begins with")
    batch: int = param(4, "pictures per call of the model", ge=1, speed=True)
    device: str = param("auto", "auto, cpu or cuda", speed=True, choices=("auto", "cpu", "cuda"))


def models(params: Params) -> tuple[Ask, ...]:
    """Return what the captioner consists of."""
    from tagger_models.blip import ask_captioner

    return (ask_captioner(params.model),)


def load(params: Params, found: tuple[Found, ...]) -> Any:
    """Open the captioner; its heavy imports happen here."""
    from tagger_models.blip import open_captioner

    return open_captioner(found[0], params.device)


@stage(
    version=1,
    reads=("image",),
    writes="caption",
    params=Params,
    models=models,
    load=load,
    batch="batch",
    yields="caption",
)
def caption(images: Sequence["Image.Image"], params: Params, captioner: Any) -> list[str]:
    """Write a sentence about each picture, as x.caption; yours are kept."""
    found: list[str] = captioner.caption(images, params.beams, params.max_new_tokens, params.prompt)
    return found
