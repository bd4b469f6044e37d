"""The most probable rating of each picture: what the sheet's column says until a person does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prep.models.locate import FoundModel
from prep.stage import param, stage
from prep.tagging.rendering import rated
from prep.tagging.scoring import labels_of, scores_for
from tagger_models.scores import unpacked


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    model: str = param("wd-vit-tagger-v3", "a tagger: name, hub id, folder or `tiny`", model=True)
    second: str = param("", "a second tagger, to combine with the first", path=True)


def load(params: Params, found: tuple[FoundModel, ...]) -> Any:
    """Return the tagger's labels."""
    from tagger_models.vocabulary import vocabulary

    return vocabulary(params.model, params.second, found)[0]


@stage(
    version=1,
    reads=("scores", "combined_scores?"),
    writes="rating",
    params=Params,
    done="",
    shown=lambda found: f"rating {found}",
    commands=("tag",),
    models=labels_of,
    load=load,
    inputs_for=scores_for,
)
def rating(row: Mapping[str, bytes], params: Params, labels: Any) -> str:
    """Name the most probable rating, for tags.csv; equal scores keep label order."""
    (scores,) = row.values()
    return rated(labels, unpacked(scores))
