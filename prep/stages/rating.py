"""The most probable rating of each picture: what the sheet's column says until a person does."""

from dataclasses import dataclass
from typing import Any

from prep import tags as text_of_tags
from prep.models import Ask, Found
from prep.scores import unpacked
from prep.stage import param, stage


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    model: str = param("wd-vit-tagger-v3", "a tagger: name, hub id, folder or `tiny`", path=True)


def models(params: Params) -> tuple[Ask, ...]:
    """Return where the tagger's labels are: all that this reads of a model."""
    from tagger_models.registry import ask_labels

    return (ask_labels(params.model),)


def load(params: Params, found: tuple[Found, ...]) -> Any:
    """Return the tagger's labels."""
    from tagger_models.labels import read_labels
    from tagger_models.registry import profile

    return read_labels(found[0], profile(params.model))


@stage(
    version=1,
    reads=("scores",),
    writes="rating",
    params=Params,
    commands=("tag",),
    models=models,
    load=load,
)
def rating(scores: bytes, params: Params, labels: Any) -> str:
    """Name the most probable rating, for tags.csv; equal scores keep label order."""
    return text_of_tags.rated(labels, unpacked(scores))
