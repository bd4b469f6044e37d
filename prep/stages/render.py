"""Turn scores into tags: thresholds and order. No inference."""

from dataclasses import dataclass
from typing import Any

from prep import tags as text_of_tags
from prep.models import Ask, Found
from prep.scores import FLOOR, unpacked
from prep.stage import param, stage


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept. A threshold of 0 is the tagger's own."""

    model: str = param("wd-vit-tagger-v3", "a tagger: name, hub id, folder or `tiny`", path=True)
    threshold: float = param(
        0.0, "least probability of a general tag; 0: the tagger's own", ge=0, le=1
    )
    character_threshold: float = param(
        0.0, "least probability of a character tag; 0: the tagger's own", ge=0, le=1
    )
    rating: bool = param(False, "add the most probable rating as a tag")


def models(params: Params) -> tuple[Ask, ...]:
    """Return where the tagger's labels are: all that rendering reads of a model."""
    from tagger_models.registry import ask_labels

    return (ask_labels(params.model),)


def load(params: Params, found: tuple[Found, ...]) -> Any:
    """Return the tagger's labels and the thresholds that hold."""
    from prep.errors import ConfigError
    from tagger_models.labels import read_labels
    from tagger_models.registry import profile

    row = profile(params.model)
    asked = {"general": params.threshold, "character": params.character_threshold}
    for value in asked.values():
        if 0 < value < FLOOR:
            raise ConfigError(
                f"a threshold of {value} is under {FLOOR}, the least score that is kept",
                f"use {FLOOR} or more",
            )
    thresholds = dict(row.thresholds) | {name: value for name, value in asked.items() if value}
    return read_labels(found[0], row), thresholds


@stage(
    version=1,
    reads=("scores",),
    writes="tags",
    params=Params,
    commands=("tag",),
    models=models,
    load=load,
)
def render(scores: bytes, params: Params, opened: Any) -> list[str]:
    """Turn scores into tags; a changed threshold costs no inference.

    Tags come block by block, the most probable first; equal scores keep label order.
    """
    labels, thresholds = opened
    found = unpacked(scores)
    return list(text_of_tags.rendered(labels, found, thresholds, params.rating))
